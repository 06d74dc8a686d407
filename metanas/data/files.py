"""`FromFiles`: the base class of adapters whose data set is files, with their paths and download addresses.

The full set as its publisher gives it, and a sample of it in another layout, are read by the same adapter:
`locate` finds either, and the fingerprint and the `sample` flag tell which it was.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from metanas.base.atomic import cache_folder
from metanas.base.errors import DataError
from metanas.data.adapter import Adapter, Remote
from metanas.data.download import DownloadProgress, fetch


class FromFiles(Adapter):
    """An adapter that declares its files; a subclass implements `load`.

    name: the domain. remotes: the files of the full set. layouts: alternatives, each a tuple of paths below
    the data folder that is enough to read the data; the first one that exists is used, before `remotes`.
    items: examples in the full set; fewer are a sample.
    """

    name: ClassVar[str]
    synthetic: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ()
    remotes: ClassVar[tuple[Remote, ...]]
    layouts: ClassVar[tuple[tuple[str, ...], ...]] = ()
    items: ClassVar[int]

    def locate(self, root: Path | None) -> Sequence[Path]:
        """The files that `load` reads, below `root`, or below the downloads folder if that is None.

        DataError names one that is missing and the ways to get it.
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

    def download(self, on_progress: DownloadProgress) -> None:
        """Download the full set into the downloads folder, telling `on_progress`. DataError as `fetch`."""
        for remote in self.remotes:
            fetch(remote, downloads(), on_progress=on_progress)


def downloads() -> Path:
    """The folder of downloaded files, in the cache folder."""
    return cache_folder() / "downloads"
