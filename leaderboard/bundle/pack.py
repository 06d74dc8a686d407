"""Pack a run folder into a bundle: its files and a new entry.json. The same run gives the same bytes.

`metanas pack` comes here; `reading.py` is the way back.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from leaderboard.bundle.entry import Entry, from_pydantic
from leaderboard.bundle.names import ENTRY, FILES, Members
from leaderboard.bundle.problem import BundleError, refuse
from metanas.evaluation import result

EPOCH = (1980, 1, 1, 0, 0, 0)  # time stamp of every member, so that a zip does not depend on the clock


def collect(run: Path, about: Mapping[str, Any]) -> Members:
    """The files of a bundle for the finished run in folder `run`.

    about: the fields of entry.json except `files`; `meta_train_domains` defaults to the run's domains, or
    to none where meta-training took no operations.
    BundleError if the run is not finished or a field is wrong.
    """
    members = {name: (run / name).read_bytes() for name in FILES if name != ENTRY and (run / name).is_file()}
    for name in (result.SUBMISSION, result.PREDICTIONS):
        if name not in members:
            raise refuse(name, f"missing in {run}, or no file", hint="give the folder of a finished run")
    submission = result.parse(members[result.SUBMISSION])
    trained = submission.costs.train_flops != 0  # None: not counted
    domains = sorted({task.domain for task in submission.tasks}) if trained else []
    files = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        for name, content in members.items()
    }
    try:
        entry = Entry.model_validate({"meta_train_domains": domains, **about, "files": files})
    except ValidationError as error:
        raise BundleError(from_pydantic(ENTRY, error)) from error
    text = entry.model_dump_json(indent=1, exclude_none=True) + "\n"
    return {**members, ENTRY: text.encode()}


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
