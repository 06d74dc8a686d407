"""Validation of a bundle, shared by `metanas validate`, the server and pull requests.

`inspect` checks the JSON files and the hashes, which takes milliseconds; the server does it before it accepts
a bundle. `validate` also decodes and scores the predictions; the server does that in a restricted process.
Comes after `bundle/reading.py`.
"""

import hashlib
from dataclasses import dataclass

from pydantic import ValidationError

from leaderboard.bundle import entry, parquet, rules, strict_json
from leaderboard.bundle.entry import Entry, from_pydantic
from leaderboard.bundle.names import ARCHITECTURE, CURVES, ENTRY, README, Members
from leaderboard.bundle.problem import BundleError, Problem, refuse
from leaderboard.bundle.rules import Known
from leaderboard.bundle.scores import Scored, score
from metanas.evaluation import controls, curves, regret
from metanas.evaluation.result import PREDICTIONS, SCHEMA, SUBMISSION, ResultError, Submission

DECODING = (ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError, ArithmeticError)


@dataclass(frozen=True)
class Inspected:
    """A bundle whose JSON files and hashes are valid."""

    members: Members
    entry: Entry
    submission: Submission


def inspect(members: Members, known: Known | None = None, *, elsewhere: bool = False) -> Inspected:
    """Check the JSON files, hashes and rules of a bundle. BundleError lists all problems.

    known: the suites, from `rules.known()`; None to read them now. elsewhere: see `rules.problems`.
    """
    about = entry.parse(members[ENTRY])
    document = strict_json.parse(SUBMISSION, members[SUBMISSION])
    try:
        submission = Submission.model_validate(document)
    except ValidationError as error:
        raise BundleError(from_pydantic(SUBMISSION, error)) from error
    if ARCHITECTURE in members:
        strict_json.parse(ARCHITECTURE, members[ARCHITECTURE])
    problems = [*_hashes(members, about, submission), *_names(submission)]
    if README in members:
        problems += _readme(members[README])
    problems += rules.undeclared_weights(submission, about)
    problems += rules.contradictions(submission, about)
    problems += rules.problems(submission, rules.known() if known is None else known, elsewhere=elsewhere)
    if problems:
        raise BundleError(problems)
    return Inspected(members, about, submission)


def validate(members: Members, known: Known | None = None, *, elsewhere: bool = False) -> Scored:
    """Check everything: `inspect`, then decode and score the predictions. BundleError lists the problems."""
    return decode(members, inspect(members, known, elsewhere=elsewhere).submission)


def decode(members: Members, submission: Submission, *, secret: int = 0) -> Scored:
    """The scores of inspected files. BundleError if predictions, curves, controls or candidates cannot be.

    secret: see `scores.score`.
    """
    rows = len(submission.seeds) * sum(t.episodes * t.ways * t.queries for t in submission.tasks)
    parquet.check(PREDICTIONS, members[PREDICTIONS], SCHEMA, rows)
    for file, schema in (
        (CURVES, curves.SCHEMA),
        (controls.CONTROLS, controls.SCHEMA),
        (regret.CANDIDATES, regret.SCHEMA),
    ):
        if file in members:
            parquet.check(file, members[file], schema, None)
    try:
        return score(members, secret=secret)
    except BundleError:
        raise
    except ResultError as error:
        file, _, message = str(error).partition(": ")
        raise refuse(file, message) from error
    except DECODING as error:
        raise refuse(PREDICTIONS, f"cannot be scored: {error!r:.300}") from error


def _hashes(members: Members, about: Entry, submission: Submission) -> list[Problem]:
    problems = []
    for name, content in members.items():
        if name == ENTRY:
            continue
        listed = about.files.get(name)
        sha = hashlib.sha256(content).hexdigest()
        if listed is None:
            problems.append(Problem(ENTRY, f"{name} is in the bundle but not listed", field="files"))
        elif (listed.sha256, listed.bytes) != (sha, len(content)):
            problems.append(
                Problem(
                    name,
                    f"SHA-256 {sha}, {len(content)} bytes; {ENTRY} says {listed.sha256}, {listed.bytes}",
                    hint="it was changed after packing; pack again",
                )
            )
    for name in about.files:
        if name == ENTRY or name not in members:
            problems.append(Problem(ENTRY, f"{name!r:.80} is listed but not in the bundle", field="files"))
    if (sha := hashlib.sha256(members[PREDICTIONS]).hexdigest()) != submission.predictions_sha256:
        message = f"{submission.predictions_sha256} is not the SHA-256 of {PREDICTIONS}, {sha}"
        problems.append(Problem(SUBMISSION, message, field="predictions_sha256"))
    return problems


def _names(submission: Submission) -> list[Problem]:
    """The method's name is used in URLs and file names."""
    if not entry.is_name(submission.method):
        hint = "lower-case letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit"
        return [Problem(SUBMISSION, f"got {submission.method!r:.80}", field="method", hint=hint)]
    return []


def _readme(content: bytes) -> list[Problem]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return [Problem(README, f"not UTF-8: byte {error.start}")]
    return [Problem(README, "has a NUL character")] if "\0" in text else []
