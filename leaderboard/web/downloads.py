"""The files of a submission that anyone may have: each for itself, and the bundle as a zip.

entry.json has a contact address that is never shown. So it is not served, and in the zip another address
stands in its place: the bundle stays valid and has the same scores.
"""

import json
from collections.abc import Callable, Mapping

from leaderboard.bundle.names import ENTRY, FILES
from leaderboard.bundle.pack import to_zip
from leaderboard.ranking.standing import Standing
from metanas.evaluation.result import PREDICTIONS

BUNDLE = "bundle.zip"
WITHHELD = "withheld@example.org"
MEDIA = {
    "zip": "application/zip",
    "parquet": "application/vnd.apache.parquet",
    "json": "application/json",
    "md": "text/plain; charset=utf-8",
}


def offered(standing: Standing) -> dict[str, str]:
    """What a page links to, by file name."""
    words = {BUNDLE: "bundle (zip)", PREDICTIONS: "answers (Parquet)"}
    return {name: text for name, text in words.items() if name == BUNDLE or name in standing.files}


def content(standing: Standing, name: str, read: Callable[[str], bytes]) -> bytes | None:
    """A file, or the zip of all; None if there is no such file. read: content by SHA-256."""
    if name == BUNDLE:
        members = {file: read(sha256) for file, (sha256, _) in standing.files.items() if file in FILES}
        if ENTRY in members:
            members[ENTRY] = _without_contact(members[ENTRY])
        return to_zip(members)
    if name == ENTRY or name not in FILES or name not in standing.files:
        return None
    return read(standing.files[name][0])


def saved_as(standing: Standing, name: str) -> str:
    """The file name that a browser proposes: maml-432f7f10.zip."""
    return f"{standing.method}-{standing.document.predictions_sha256[:8]}.{name.rpartition('.')[2]}"


def _without_contact(entry: bytes) -> bytes:
    document: Mapping[str, object] = json.loads(entry)
    return (json.dumps({**document, "contact": WITHHELD}, indent=1, ensure_ascii=False) + "\n").encode()
