"""Downloads that can be trusted: resumed, verified, locked, and moved into place when whole.

A data set's files are declared as `Remote`s by its adapter (`source.py`). What is there when `fetch`
returns is the whole file with the declared digest. A file whose digest nobody could declare is taken as
it comes the first time; its SHA-256 is written beside it, and a later download must equal it.
"""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from metanas.store import DataError

CHUNK = 1 << 18  # bytes
TIMEOUT = 30.0  # seconds without a byte
WAITS = (0.5, 2.0, 8.0)  # seconds before each further attempt
Tell = Callable[[str, int, int], None]  # (file, bytes here, bytes in all or 0)


@dataclass(frozen=True)
class Remote:
    """One file of a data set.

    path: below the data folder. digest: "sha256:..." or "md5:..."; empty where none could be verified.
    """

    path: str
    url: str
    digest: str = ""


class _TryAgain(Exception):
    """This attempt failed in a way that another may not."""


def fetch(
    remote: Remote,
    folder: Path,
    *,
    waits: tuple[float, ...] = WAITS,
    tell: Tell = lambda file, here, total: None,
) -> Path:
    """The file at `folder / remote.path`, downloaded if it is not there.

    A broken transfer goes on where it stopped. DataError names the address and what was wrong: the
    server's answer, a transfer that stays incomplete, or a file that has another digest.
    """
    path = folder / remote.path
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.is_file():  # another process had it first
            return path
        part = path.with_name(path.name + ".part")
        problem = ""
        for wait in (0.0, *waits):
            time.sleep(wait)
            try:
                _transfer(remote, part, tell)
                _verify(remote, path, part)
                part.replace(path)
                return path
            except (_TryAgain, OSError, http.client.HTTPException) as error:
                problem = str(error) or type(error).__name__
    raise DataError(f"could not download {remote.url} in {len(waits) + 1} attempts: {problem}")


def _transfer(remote: Remote, part: Path, tell: Tell) -> None:
    """Get what `part` does not have yet; _TryAgain if the transfer ends too early."""
    here = part.stat().st_size if part.exists() else 0
    tag = part.with_name(part.name + ".tag")  # the server's name of the version that `part` belongs to
    request = urllib.request.Request(remote.url, headers={"User-Agent": "metanas"})
    if here and tag.exists():
        request.add_header("Range", f"bytes={here}-")
        request.add_header("If-Range", tag.read_text(encoding="utf-8"))
    else:
        here = 0
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing after `here`: the part is not of this file
            part.unlink(missing_ok=True)
        elif error.code < 500 and error.code not in (408, 429):
            raise DataError(f"{remote.url}: the server says {error.code} {error.reason}") from error
        raise _TryAgain(f"the server says {error.code} {error.reason}") from error
    with closing(answer):
        if answer.status != 206:
            here = 0  # the server sends the whole file
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
        if version and not version.startswith("W/"):
            tag.write_text(version, encoding="utf-8")
        else:
            tag.unlink(missing_ok=True)
        length = answer.headers.get("Content-Length")
        total = here + int(length) if length else 0
        with part.open("r+b" if here else "wb") as file:
            file.seek(here)
            for chunk in _chunks(answer):
                file.write(chunk)
                here += len(chunk)
                tell(remote.path, here, total)
            file.flush()
            os.fsync(file.fileno())
    if total and here != total:
        raise _TryAgain(f"got {here} of {total} bytes")


def _chunks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := answer.read(CHUNK):
        yield chunk


def _verify(remote: Remote, path: Path, part: Path) -> None:
    """_TryAgain, from the first byte, if `part` is not the declared file or the one seen before."""
    note = path.with_name(path.name + ".sha256")
    declared = remote.digest or (
        f"sha256:{note.read_text(encoding='utf-8').strip()}" if note.exists() else ""
    )
    kind, _, expected = (declared or "sha256:").partition(":")
    with part.open("rb") as file:
        found = hashlib.file_digest(file, kind).hexdigest()
    if expected and found != expected:
        part.unlink()
        raise _TryAgain(f"it is another file: {kind} {found}, expected {expected}")
    if not declared:
        note.write_text(found + "\n", encoding="utf-8")
    part.with_name(part.name + ".tag").unlink(missing_ok=True)
