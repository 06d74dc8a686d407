"""The suites that an administrator added to a board: one JSON file each in its data folder.

A file holds the suite with its manifest (`Suite.origin`), so that the board needs neither its data nor the
package it is from. Backups have it with the rest of the data folder.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from leaderboard.store.database import StoreError
from metanas.base.atomic import write_atomically
from metanas.base.errors import DamagedFile
from metanas.base.ranges import STORED
from metanas.data import manifest
from metanas.data.suite import Suite, check_name, load_suite, names, readable


@dataclass(frozen=True)
class Suites:
    """The suites of a board: built-in, installed, and those in `folder`."""

    folder: Path

    def find(self, name: str) -> Suite | None:
        """The suite of that name, None if the board has none. DamagedFile if its file is none of ours."""
        if name in names():
            return load_suite(name)
        path = self.folder / f"{name}.json"
        return _read(path) if name in self.added() else None

    def added(self) -> tuple[str, ...]:
        """The names of the suites that were added, sorted."""
        return tuple(sorted(path.stem for path in self.folder.glob("*.json")))

    def all(self) -> list[Suite]:
        """Every suite of the board, sorted by name, without installed ones whose file is wrong."""
        return sorted([*readable(), *self.own()], key=lambda suite: suite.name)

    def own(self) -> list[Suite]:
        """The suites that only this board has: those that were added and are not installed by now."""
        return [_read(self.folder / f"{name}.json") for name in self.added() if name not in names()]

    def add(self, file: Path) -> Suite:
        """Add the suite in a YAML file with the manifest beside it; a new version replaces an earlier one.

        StoreError if the name is that of a built-in suite, a domain is not pinned, or the board has this
        version with other content: two results would be called the same and be of different episodes.
        """
        suite = load_suite(file)
        check_name(suite.name)
        if suite.origin is None:
            raise StoreError(f"{suite.name} is a built-in or installed suite, which every board here has")
        if unpinned := [name for name in suite.domains if not manifest.of(suite).get(name)]:
            raise StoreError(f"{unpinned[0]} is not pinned in {suite.name}; first: metanas suite pin {file}")
        known = self.find(suite.name)
        if known is not None and known != suite and known.version == suite.version:
            raise StoreError(
                f"the board has {suite.name} {suite.version} with other content; raise `version` in {file}"
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(
            self.folder / f"{suite.name}.json", (suite.model_dump_json(indent=1) + "\n").encode()
        )
        return suite


def _read(path: Path) -> Suite:
    try:
        return Suite.model_validate_json(path.read_bytes(), context=STORED)
    except (OSError, ValidationError) as error:
        raise DamagedFile(
            f"{path} is damaged ({error}); add the suite again: metanas leaderboard suite add FILE.yaml"
        ) from error
