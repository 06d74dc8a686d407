"""Data sets that are files: where they may lie, and where they can be downloaded from.

An adapter that reads files inherits `FromFiles` and declares them. The full set as its publisher gives
it, and a sample of it in some other layout, are read by the same code: `locate` finds either, the
fingerprint and the `sample` flag tell which it was.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from metanas.fetch import Remote, Tell, fetch
from metanas.store import Adapter, DataError, cache_folder


class FromFiles(Adapter):
    """The part of an adapter that knows its files.

    name: the domain. remotes: the full set. layouts: paths below the data folder, each a set that
    suffices to be read; the first one that is there is taken, before the downloaded files.
    items: examples in the full set; fewer are a sample.
    """

    name: ClassVar[str]
    synthetic: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()
    remotes: ClassVar[tuple[Remote, ...]]
    layouts: ClassVar[tuple[tuple[str, ...], ...]] = ()
    items: ClassVar[int]

    def locate(self, root: Path | None) -> Sequence[Path]:
        """The files to be read, below `root` or else where downloads go.

        DataError if they are not there; it names one, and the ways to get it.
        """
        base = downloads() if root is None else root
        choices = (*self.layouts, tuple(remote.path for remote in self.remotes))
        for paths in choices:
            if all((base / path).exists() for path in paths):
                return [base / path for path in paths]
        missing = next(path for path in choices[0] if not (base / path).exists())
        if root is not None:
            raise DataError(f"{self.name}: {base / missing} is missing from the data folder {base}")
        raise DataError(
            f"{self.name} is not downloaded: `metanas data prepare {self.name}` does it, or give a folder "
            "that has it: --data-root DIR or METANAS_DATA=DIR"
        )

    def download(self, tell: Tell) -> None:
        """Get the full set into the downloads folder."""
        for remote in self.remotes:
            fetch(remote, downloads(), tell=tell)


def downloads() -> Path:
    """Where downloaded files lie."""
    return cache_folder() / "downloads"
