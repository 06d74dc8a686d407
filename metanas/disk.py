"""Files written whole or not at all, and errors with the name of the file they are about."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from uuid import uuid4


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError inside becomes one that names `path`: a failed write does not, and numpy's not even why."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.ENOSPC
        raise OSError(number, os.strerror(number), str(path)) from error


@contextmanager
def flushed(path: Path) -> Iterator[IO[bytes]]:
    """A file to be written that is on the disk, not only on its way there, when the block ends."""
    with naming(path), path.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def write_atomically(path: Path, content: bytes) -> None:
    """The whole file or none of it, also after a kill, on a full disk or beside another who writes it.

    OSError names the file.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        with naming(path):
            with flushed(temporary) as file:
                file.write(content)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
