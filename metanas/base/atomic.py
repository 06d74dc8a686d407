"""Atomic file writes, SHA-256 of files, and the cache folder.

A file written through `atomic_file` is there as a whole or not at all, also after a kill, on a full disk or
beside another process that writes it. An OSError names the file that was to be written.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DESCRIPTORS = "/proc/self/fd"
_NUMPY = re.compile(r"\d+ requested and \d+ written")  # what numpy says when a disk is full


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file to write to, renamed to `path` when the block ends without an error, else removed.

    On Linux it has no name while it is written (O_TMPFILE, linkat(2)), so that a kill leaves nothing.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with _errors_naming(path):
            with _temporary(temporary) as file:
                yield file
                _flush(file)
                if not temporary.exists():
                    # with a descriptor, Python calls linkat(2), which follows this link as link(2) does not
                    os.link(f"{_DESCRIPTORS}/{file.fileno()}", temporary, src_dir_fd=file.fileno())
            temporary.replace(path)
    finally:
        with suppress(OSError):  # on a disk that became read-only there is nothing to remove either
            temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> IO[bytes]:
    """A new file to write to: without a name in the folder of `path` where the system can, else `path`."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir(_DESCRIPTORS):
        with suppress(OSError):  # not on every file system
            return os.fdopen(os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666), "wb")
    return path.open("wb")


@contextmanager
def flushed(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to whose content is on the disk (fsync) when the block ends."""
    with _errors_naming(path), path.open("wb") as file:
        yield file
        _flush(file)


def write_atomically(path: Path, content: bytes) -> None:
    """Write the whole file or none of it. The folder must exist. OSError names the file."""
    with atomic_file(path) as file:
        file.write(content)


def check_writable(folder: Path) -> None:
    """Make a folder if it is missing and write a file there, which is removed again. OSError names it."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".{uuid4().hex}.probe"
    try:
        write_atomically(probe, b"0")
    finally:
        probe.unlink(missing_ok=True)


def write_array(path: Path, array: "NDArray[Any]") -> None:
    """Write a whole .npy file or none of it; makes missing folders. OSError names the file."""
    import numpy as np  # a quarter of what the command line takes to start

    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        np.save(file, array, allow_pickle=False)


def cache_folder() -> Path:
    """The folder METANAS_CACHE, or metanas/ in the user's cache folder. It need not exist yet."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("METANAS_CACHE") or Path(base) / "metanas")


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    """An OSError inside becomes one that names `path`: a failed write has no name, numpy's no reason."""
    try:
        yield
    except OSError as error:
        number = error.errno or (errno.ENOSPC if _NUMPY.search(str(error)) else 0)
        if not number:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error
