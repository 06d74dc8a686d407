"""Transfer studies that are committed to git: read them all for the pages, or check one of a pull request.

`leaderboard/studies/<suite>/<method>/` holds the two files that `metanas transfer --out` writes. A study is
not ranked; its accuracies and tests are recomputed from its predictions (`metanas/evaluation/transfer.py`).
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from leaderboard.bundle import parquet, rules, slugs, strict_json
from leaderboard.bundle.entry import is_name
from leaderboard.bundle.names import KIB, MIB
from leaderboard.bundle.problem import BundleError, Problem, refuse
from metanas.data import manifest
from metanas.data.suite import Pins, load_suite, names
from metanas.evaluation import study, transfer
from metanas.evaluation.result import ResultError
from metanas.evaluation.study import ANSWERS, SCHEMA, STUDY, Answered, Study

ROOT = PurePosixPath("leaderboard/studies")  # in the repository
FOLDER = Path(__file__).parents[1] / "studies"
MOST: Mapping[str, int] = {STUDY: 64 * KIB, ANSWERS: 8 * MIB}  # largest size in bytes


@dataclass(frozen=True)
class Shown:
    """A study as the pages show it. path: its part of URLs, <suite>/<method> for those in git."""

    path: str
    answered: Answered

    @property
    def study(self) -> Study:
        """What was done: the content of study.json."""
        return self.answered.study

    @cached_property
    def matrix(self) -> transfer.Matrix:
        """Its scores, computed on first access: the solver of the p-values takes half a second to import."""
        return transfer.score(self.answered)


def numbers(shown: Shown) -> dict[str, Any]:
    """A study as JSON values: what was done, the cells of its matrix and the parts of its decomposition.

    Accuracies, differences and gains are fractions of 1.
    """
    matrix = shown.matrix
    return {
        "path": shown.path,
        "study": matrix.study.model_dump(mode="json"),
        "cells": [asdict(cell) for cell in matrix.cells],
        "parts": [asdict(part) for part in matrix.parts],
    }


def document(shown: Shown) -> bytes:
    """`numbers` as a JSON file; server, static site and pull-request check give the same bytes."""
    return json.dumps(numbers(shown), indent=1).encode() + b"\n"


def read_all(folder: Path = FOLDER) -> tuple[Shown, ...]:
    """All studies below a folder, sorted by path. ResultError names a damaged one, its file and the field."""
    studies = []
    for place in sorted(path.parent for path in folder.rglob(STUDY)):
        name = place.relative_to(folder).as_posix()
        try:
            studies.append(Shown("/".join(map(slugs.name, name.split("/"))), study.read(place)))
        except ResultError as error:
            raise ResultError(f"transfer study {place}: {error}") from error
    return tuple(studies)


def check(folder: Path, place: PurePosixPath) -> Shown:
    """Check and read an untrusted study. BundleError if it is not valid.

    folder: its files; place: the folder that it is to have in the repository.
    """
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
        answered = study.answered(folder, document)
    except BundleError:
        raise
    except ResultError as error:
        file, _, message = str(error).partition(": ")
        raise refuse(file, message) from error
    return Shown(place.relative_to(ROOT).as_posix(), answered)


def _place(document: Study, place: PurePosixPath) -> list[Problem]:
    if not is_name(document.method):
        return [Problem(STUDY, f"got {document.method!r:.80}", field="method")]
    expected = ROOT / document.suite / document.method
    return [] if expected == place else [Problem("", f"lies in {place}", hint=f"belongs in {expected}")]


def _suite(document: Study) -> list[Problem]:
    """Its data and episodes must be the pinned ones of its suite."""
    if document.suite not in names():
        return [rules.unknown(document.suite, STUDY)]
    if problems := list(rules.sizes(document.tasks, document.seeds, STUDY)):
        return problems
    suite = load_suite(document.suite)
    return [*_test_only(document, manifest.of(suite)), *rules.pinned(document.tasks, suite, STUDY)]


def _test_only(document: Study, pins: Pins) -> Iterator[Problem]:
    """A domain that can be trained on must have the row that its column is compared with."""
    for name in document.test_only:
        if any(entry["classes"]["train"] for entry in pins.get(name, {}).values()):
            hint = f"it has meta-train classes: add --train {name}"
            yield Problem(STUDY, f"{name!r:.80} is not test-only", field="test_only", hint=hint)
