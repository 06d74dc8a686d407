"""Transfer studies kept in git: where one belongs, whether it is sound, and all of them for the pages.

`leaderboard/studies/<suite>/<method>/` is what `metanas transfer --out` left there: two files. A study stands
in no ranking; its numbers are made from its answers again (`metanas/evaluation/transfer.py`). The pages show
what `read_all` found when they were opened; `check` is what a pull request has to pass besides.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from leaderboard.bundle import parquet, rules, strict_json
from leaderboard.bundle.entry import is_name
from leaderboard.bundle.names import KIB, MIB
from leaderboard.bundle.problem import BundleError, Problem, refuse
from leaderboard.web import links
from metanas.evaluation import study, transfer
from metanas.evaluation.result import ResultError
from metanas.evaluation.study import ANSWERS, SCHEMA, STUDY, Answered, Study
from metanas.suite import load_suite, names

ROOT = PurePosixPath("leaderboard/studies")  # in the repository
FOLDER = Path(__file__).parent / "studies"
MOST: Mapping[str, int] = {STUDY: 64 * KIB, ANSWERS: 8 * MIB}  # bytes


@dataclass(frozen=True)
class Shown:
    """A study; `path` is its place in addresses: <suite>/<method> of those in git."""

    path: str
    answered: Answered

    @property
    def study(self) -> Study:
        return self.answered.study

    @cached_property
    def matrix(self) -> transfer.Matrix:
        """Scored when it is first asked for: the p-values' solver takes half a second to import."""
        return transfer.score(self.answered)


def numbers(shown: Shown) -> dict[str, Any]:
    """What was done, every cell and every part; accuracies, differences and gains are fractions of 1."""
    matrix = shown.matrix
    return {
        "path": shown.path,
        "study": matrix.study.model_dump(mode="json"),
        "cells": [asdict(cell) for cell in matrix.cells],
        "parts": [asdict(part) for part in matrix.parts],
    }


def document(shown: Shown) -> bytes:
    """The same as a file: the same bytes from the server, the static site and a pull request's check."""
    return json.dumps(numbers(shown), indent=1).encode() + b"\n"


def read_all(folder: Path = FOLDER) -> tuple[Shown, ...]:
    """Every study below a folder, by path. ResultError names the study, its file and the field."""
    found = []
    for place in sorted(path.parent for path in folder.rglob(STUDY)):
        name = place.relative_to(folder).as_posix()
        try:
            found.append(Shown("/".join(map(links.name, name.split("/"))), study.read(place)))
        except ResultError as error:
            raise ResultError(f"transfer study {place}: {error}") from error
    return tuple(found)


def check(folder: Path, place: PurePosixPath) -> Shown:
    """A stranger's study that is to lie in `place` of the repository. BundleError says what is wrong."""
    for path in sorted(folder.iterdir()):
        if path.name not in MOST:
            raise refuse(path.name[:80], "does not belong in a study", hint=f"it is {STUDY} and {ANSWERS}")
        if path.is_symlink() or not path.is_file():
            raise refuse(path.name, "not a plain file")
        if path.stat().st_size > MOST[path.name]:
            raise refuse(path.name, f"larger than the {MOST[path.name]} bytes that are accepted")
    for name in MOST:
        if not (folder / name).exists():
            raise refuse(name, "missing", hint="`metanas transfer --out DIR` makes both files")
    strict_json.parse(STUDY, (folder / STUDY).read_bytes())
    try:
        document = study.parse(folder)
        if problems := [*_place(document, place), *_suite(document)]:
            raise BundleError(problems)
        parquet.check(ANSWERS, (folder / ANSWERS).read_bytes(), SCHEMA, None)
        found = study.answered(folder, document)
    except BundleError:
        raise
    except ResultError as error:
        file, _, message = str(error).partition(": ")
        raise refuse(file, message) from error
    return Shown(place.relative_to(ROOT).as_posix(), found)


def _place(found: Study, place: PurePosixPath) -> list[Problem]:
    if not is_name(found.method):
        return [Problem(STUDY, f"got {found.method!r:.80}", field="method")]
    right = ROOT / found.suite / found.method
    return [] if right == place else [Problem("", f"lies in {place}", hint=f"belongs in {right}")]


def _suite(found: Study) -> list[Problem]:
    """It has to stand on the data and episodes that the suite pins."""
    if found.suite not in names():
        return [Problem(STUDY, f"no suite named {found.suite!r:.80}", field="suite", hint=", ".join(names()))]
    if problems := list(rules.sizes(found.tasks, found.seeds, STUDY)):
        return problems
    return list(rules.pinned(found.tasks, load_suite(found.suite), STUDY))
