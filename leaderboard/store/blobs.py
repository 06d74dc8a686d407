"""Content-addressed files: `blobs/ab/cd/<sha256>`, written once and never changed.

A blob is written to a temporary name, flushed to the disk, renamed, and its folder flushed; only then may a
row of the database refer to it. So a kill or a power cut leaves at most a file without a reference.
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from metanas.base.atomic import write_atomically
from metanas.base.errors import MetanasError


class BlobError(MetanasError):
    """A blob is missing, or its content does not have the SHA-256 in its name."""


class Blobs:
    """The blobs below a folder; iterating gives their digests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, content: bytes) -> str:
        """Store these bytes durably; returns their SHA-256 (hexadecimal)."""
        digest = hashlib.sha256(content).hexdigest()
        path = self.path(digest)
        if path.exists():
            os.utime(path)  # young again: `admin/orphans.py` leaves it for the row that will refer to it
            return digest
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        for folder in (path.parent, path.parent.parent, self.folder):
            _flush(folder)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes with this SHA-256, which is checked. BlobError if they are missing or damaged."""
        path = self.path(digest)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise BlobError(f"blob {digest} cannot be read: {error.strerror}") from error
        actual = hashlib.sha256(content).hexdigest()
        if actual != digest:
            raise BlobError(f"blob {digest} is damaged: its SHA-256 is {actual}")
        return content

    def path(self, digest: str) -> Path:
        """The path of a blob, always within the folder. BlobError if `digest` is no SHA-256."""
        if len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise BlobError(f"not a SHA-256: {digest[:80]!r}")
        return self.folder / digest[:2] / digest[2:4] / digest

    def __iter__(self) -> Iterator[str]:
        """The digests of all blobs, sorted."""
        paths = self.folder.glob("??/??/*")
        return iter(sorted(path.name for path in paths if not path.name.startswith(".")))


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
