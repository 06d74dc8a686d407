"""Downloads of data set files: resumed, verified, locked, and moved into place when complete.

Adapters declare their files as `Remote`s (`adapter.py`, `files.py`). When `fetch` returns, the whole file
with the declared digest is there. A file without a declared digest is trusted on its first download; its
SHA-256 is written beside it, and a later download must have the same.
"""

import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from filelock import FileLock

from metanas.base.errors import DataError
from metanas.data.adapter import Remote

CHUNK = 1 << 18  # bytes
TIMEOUT = 30.0  # seconds without a byte
WAITS = (0.5, 2.0, 8.0)  # seconds before each further attempt
DownloadProgress = Callable[[str, int, int], None]  # (file, bytes received, total bytes or 0)


class _TryAgain(Exception):
    """This attempt failed, another may succeed."""


def fetch(
    remote: Remote,
    folder: Path,
    *,
    waits: tuple[float, ...] = WAITS,
    on_progress: DownloadProgress = lambda file, received, total: None,
) -> Path:
    """The file at `folder / remote.path`, downloaded if it is not there.

    waits: seconds before each further attempt. on_progress: told the bytes received. A broken transfer
    continues where it stopped. DataError names the URL and what was wrong: the server's answer, a transfer
    that stays incomplete, or a file with another digest.
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
                _transfer(remote, part, on_progress)
                _verify(remote, path, part)
                part.replace(path)
                return path
            except (_TryAgain, OSError, http.client.HTTPException) as error:
                problem = str(error) or type(error).__name__
    raise DataError(f"could not download {remote.url} in {len(waits) + 1} attempts: {problem}")


def _transfer(remote: Remote, part: Path, on_progress: DownloadProgress) -> None:
    """Append to `part` what it lacks; _TryAgain if the transfer ends too early."""
    received = part.stat().st_size if part.exists() else 0
    tag = part.with_name(part.name + ".tag")  # the version of the file that `part` belongs to
    request = urllib.request.Request(remote.url, headers={"User-Agent": "metanas"})
    if received and tag.exists():
        request.add_header("Range", f"bytes={received}-")
        request.add_header("If-Range", tag.read_text(encoding="utf-8"))
    else:
        received = 0
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # nothing after `received`: the part is not of this file
            part.unlink(missing_ok=True)
        elif error.code < 500 and error.code not in (408, 429):
            raise DataError(f"{remote.url}: the server says {error.code} {error.reason}") from error
        raise _TryAgain(f"the server says {error.code} {error.reason}") from error
    with closing(response):
        if response.status != 206:
            received = 0  # the server sends the whole file
        version = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        if version and not version.startswith("W/"):
            tag.write_text(version, encoding="utf-8")
        else:
            tag.unlink(missing_ok=True)
        length = response.headers.get("Content-Length")
        total = received + int(length) if length else 0
        with part.open("r+b" if received else "wb") as file:
            file.seek(received)
            for chunk in _chunks(response):
                file.write(chunk)
                received += len(chunk)
                on_progress(remote.path, received, total)
            file.flush()
            os.fsync(file.fileno())
    if total and received != total:
        raise _TryAgain(f"got {received} of {total} bytes")


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(CHUNK):
        yield chunk


def _verify(remote: Remote, path: Path, part: Path) -> None:
    """Delete `part` and raise _TryAgain if it is not the declared file, or not the one first downloaded."""
    note = path.with_name(path.name + ".sha256")
    declared = remote.digest or (
        f"sha256:{note.read_text(encoding='utf-8').strip()}" if note.exists() else ""
    )
    kind, _, expected = (declared or "sha256:").partition(":")
    with part.open("rb") as file:
        actual = hashlib.file_digest(file, kind).hexdigest()
    if expected and actual != expected:
        part.unlink()
        raise _TryAgain(f"it is another file: {kind} {actual}, expected {expected}")
    if not declared:
        note.write_text(actual + "\n", encoding="utf-8")
    part.with_name(part.name + ".tag").unlink(missing_ok=True)
