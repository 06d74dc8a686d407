"""Files by their content: `blobs/ab/cd/<sha256>`, written once and never changed.

A blob is written to a temporary name, flushed to the disk, renamed, and its folder flushed; only then may
a row of the database name it. So a kill or a power cut leaves at most a file that nobody names.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from metanas.disk import write_atomically


class BlobError(RuntimeError):
    """A blob is missing or is not what its name says."""


class Blobs:
    """The folder of blobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes) -> str:
        """Keep these bytes for ever; returns their SHA-256."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        if path.exists():
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        for folder in (path.parent, path.parent.parent, self.folder):
            _flush(folder)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes, checked. BlobError if they are missing or damaged."""
        path = self.path(digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BlobError(f"blob {digest} cannot be read: {error.strerror}") from error
        found = hashlib.sha256(content).hexdigest()
        if found != digest:
            raise BlobError(f"blob {digest} is damaged: its SHA-256 is {found}")
        return content

    def path(self, digest: str) -> Path:
        """Where it lies; the digest is checked, so a path never leaves the folder."""
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise BlobError(f"not a SHA-256: {digest[:80]!r}")
        return self.folder / digest[:2] / digest[2:4] / digest

    def __iter__(self) -> Iterator[str]:
        """All digests there are, sorted."""
        found = self.folder.glob("??/??/*")
        return iter(sorted(path.name for path in found if not path.name.startswith(".")))


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
