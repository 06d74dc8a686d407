"""Pack a run folder into a bundle: its files and a new entry.json. The same run gives the same bytes.

`metanas pack` comes here; `reading.py` is the way back.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from leaderboard.bundle.entry import Entry, from_pydantic
from leaderboard.bundle.names import ENTRY, FILES, Members
from leaderboard.bundle.problem import BundleError, Problem, refuse
from metanas.data.manifest import trains
from metanas.evaluation import result

EPOCH = (1980, 1, 1, 0, 0, 0)  # time stamp of every member, so that a zip does not depend on the clock
OPTIONS = {  # of `metanas pack`, by field of entry.json
    "authors": "--author NAME",
    "contact": "--contact ADDRESS",
    "family": "--family FAMILY",
    "summary": "--summary TEXT",
    "hparam_trials": "--trials N",
    "meta_train_domains": "--meta-train a,b",
}


def collect(run: Path, about: Mapping[str, Any]) -> Members:
    """The files of a bundle for the finished run in folder `run`.

    about: the fields of entry.json except `files`. `meta_train_domains` defaults to what the run was
    meta-trained on, which runs that `metanas evaluate` of earlier versions made do not tell, and
    `hparam_trials` to what the run says (`--set trials=N`).
    BundleError if the run is not finished, or a field is missing or wrong.
    """
    members = {name: (run / name).read_bytes() for name in FILES if name != ENTRY and (run / name).is_file()}
    for name in (result.SUBMISSION, result.PREDICTIONS):
        if name not in members:
            raise refuse(name, f"missing in {run}, or no file", hint="give the folder of a finished run")
    submission = result.parse(members[result.SUBMISSION])
    about = {**_defaults(submission), **about}
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in members.items()
    }
    try:
        entry = Entry.model_validate({**about, "files": files})
    except ValidationError as error:
        problems = from_pydantic(ENTRY, error)
        raise BundleError([p if p.field in about else _with_option(p) for p in problems]) from error
    text = entry.model_dump_json(indent=1, exclude_none=True) + "\n"
    return {**members, ENTRY: text.encode()}


def _defaults(submission: result.Submission) -> dict[str, Any]:
    """The fields of entry.json that a run knows itself."""
    found: dict[str, Any] = {"hparam_trials": submission.costs.trials} if submission.costs.trials else {}
    if (trained := submission.meta_training) is not None:
        return found | {"meta_train_domains": sorted(trained.domains)}
    if (flops := submission.costs.train_flops) is None:  # another run trained it, or nobody counted
        return found
    tested = submission.tasks if flops else ()
    domains = {task.domain for task in tested if trains(task.domain, task.fingerprint) is not False}
    return found | {"meta_train_domains": sorted(domains)}


def to_zip(members: Members) -> bytes:
    """A bundle as a zip file. Parquet is compressed already, so it is stored as it is."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in sorted(members.items()):
            stored = name.endswith(".parquet")
            method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, compress_type=method)
    return sink.getvalue()


def _with_option(problem: Problem) -> Problem:
    """The problem with how to give its field, where there is an option for it."""
    if (option := OPTIONS.get(problem.field)) is None:
        return problem
    return replace(problem, hint=f"give {option}, or {problem.field} in the file of --about")
