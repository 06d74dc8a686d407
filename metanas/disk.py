"""Files written whole or not at all, and errors with the name of the file they are about."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An OSError inside becomes one that names `path`: a failed write does not, and numpy's not even why."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.ENOSPC
        raise OSError(number, os.strerror(number), str(path)) from error


def write_atomically(path: Path, content: bytes) -> None:
    """The whole file or none of it, also after a kill or on a full disk.

    OSError names the file.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with naming(path):
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
