"""Where data sets lie: one folder, several, or one for each domain in a YAML file; None for downloads.

A `datasets.yaml` maps domains to folders, relative to the file; `download` stands for pip's and downloaded
data. Functions that open data take a `DataRoot` and ask `root_of` for the folder of a domain.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from metanas.base import yaml_text
from metanas.base.errors import DataError, InvalidValue
from metanas.data.adapter import DOMAINS

DOWNLOAD = "download"  # in place of a folder: pip's and downloaded data


@dataclass(frozen=True)
class DataRoots:
    """Several data folders, searched in turn. by_domain: (domain, its folder or None for downloads)."""

    folders: tuple[Path, ...] = ()
    by_domain: tuple[tuple[str, Path | None], ...] = ()

    def of(self, domain: str) -> Path | None:
        """The folder of a domain: its own, else the first that has its files. DataError if none has.

        InvalidValue for one that does not exist.
        """
        if domain in dict(self.by_domain):
            return _there(dict(self.by_domain)[domain])
        problems = []
        for folder in [_there(folder) for folder in self.folders]:
            try:
                DOMAINS[domain]().locate(folder)
                return folder
            except DataError as error:
                problems.append(str(error))
        if problems:
            raise DataError(f"{domain} is in none of {len(self.folders)} data folders: {'; '.join(problems)}")
        return None

    def __str__(self) -> str:
        return ", ".join(map(str, self.folders)) or "the folders of datasets.yaml"


DataRoot = Path | DataRoots | None


def root_of(root: DataRoot, domain: str) -> Path | None:
    """The data folder of a domain; None for downloads. DataError if several are searched and none has it.

    InvalidValue for a folder that does not exist, also where the domain's files are elsewhere.
    """
    return root.of(domain) if isinstance(root, DataRoots) else _there(root)


def _there(folder: Path | None) -> Path | None:
    if folder is not None and not folder.exists():
        raise InvalidValue(
            f"the data folder {folder} does not exist (--data-root, METANAS_DATA or datasets.yaml)"
        )
    return folder


def data_root(given: Path | str | Sequence[Path | str] | None) -> DataRoot:
    """Data folders and `datasets.yaml` files as one value: as given, else METANAS_DATA, else None.

    METANAS_DATA holds one or more, separated as PATH is. A later file's domain replaces an earlier one's.
    InvalidValue if a file is no list of domains and folders.
    """
    if not given:
        given = [part for part in os.environ.get("METANAS_DATA", "").split(os.pathsep) if part]
    places = [Path(given)] if isinstance(given, str | Path) else [Path(place) for place in given]
    folders = tuple(place for place in places if place.suffix not in (".yaml", ".yml"))
    by_domain: dict[str, Path | None] = {}
    for place in places:
        if place not in folders:
            by_domain |= _read(place)
    if not by_domain and len(folders) < 2:
        return folders[0] if folders else None
    return DataRoots(folders, tuple(sorted(by_domain.items())))


def _read(file: Path) -> dict[str, Path | None]:
    """The folder of each domain in a `datasets.yaml`."""
    try:
        content = yaml_text.read(file)
    except OSError as error:
        raise InvalidValue(f"{file} cannot be read: {error.strerror}") from error
    if not isinstance(content, dict) or not content:
        raise InvalidValue(f"{file} must list domains with their folders, as `digits: /data/digits`")
    found: dict[str, Path | None] = {}
    for domain, folder in content.items():
        if not isinstance(domain, str) or not isinstance(folder, str):
            raise InvalidValue(
                f"{file}: {domain!r}: {folder!r:.60}; it must be a domain and a folder or `{DOWNLOAD}`"
            )
        if domain not in DOMAINS:
            raise InvalidValue(f"{file}: {DOMAINS.unknown(domain)}")
        found[domain] = None if folder == DOWNLOAD else (file.parent / Path(folder).expanduser())
    return found
