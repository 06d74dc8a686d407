"""The opened data of a suite: one value that is made once a process and handed to whatever needs data."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from metanas.base.errors import InvalidValue
from metanas.base.ranges import STORED
from metanas.data import manifest
from metanas.data import suite as suites
from metanas.data.domain import Domain
from metanas.data.episode import EpisodeShape
from metanas.data.roots import DataRoot, data_root
from metanas.data.suite import Suite


class Datasets(Mapping[str, Domain]):
    """The domains of a suite by name, opened, verified and checked against what the suite was pinned on.

    Sent to another process, only suite and folder travel; the data is opened there once, however often it
    arrives.
    """

    def __init__(self, suite: Suite, root: DataRoot, domains: Mapping[str, Domain], pinned: bool) -> None:
        self.suite, self.root, self.pinned = suite, root, pinned
        self._domains = dict(domains)

    @classmethod
    def open(cls, suite: Suite, root: DataRoot = None, *, pinned: bool = True) -> "Datasets":
        """Build or open every domain of the suite. root: the data folder; None for pip's and downloaded data.

        pinned: require the fingerprints and episodes that the suite was pinned on. DataError names the domain
        and what is missing or differs; InvalidValue if a domain is too small for the suite's episodes.
        """
        domains = {name: Domain.open(name, root, suite.of(name)) for name in suite.domains}
        for domain in domains.values():
            if pinned:
                manifest.check(domain, suite)
            check_shapes(domain, suite)
        return cls(suite, root, domains, pinned)

    def __getitem__(self, name: str) -> Domain:
        return self._domains[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._domains)

    def __len__(self) -> int:
        return len(self._domains)

    def tasks(self) -> list[tuple[Domain, EpisodeShape]]:
        """What a run is tested on: every domain, but those for meta-validation alone, in every shape."""
        return self._tasks(self.suite.tested)

    def validation_tasks(self) -> list[tuple[Domain, EpisodeShape]]:
        """What meta-validation looks at: the suite's domains for it alone, else those of the tests.

        Always of their meta-validation classes (`engine/validation.py`).
        """
        return self._tasks(self.suite.validation or self.suite.tested)

    def trained(self) -> tuple[Domain, ...]:
        """The domains that meta-training may draw from."""
        return tuple(self[name] for name in self.suite.tested)

    def _tasks(self, names: Sequence[str]) -> list[tuple[Domain, EpisodeShape]]:
        return [(self[name], shape) for name in names for shape in self.suite.shapes(name)]

    def __reduce__(self) -> tuple[Any, ...]:
        return _open_once, (self.suite.model_dump_json(), self.root, self.pinned)


@cache
def _open_once(suite: str, root: DataRoot, pinned: bool) -> Datasets:
    return Datasets.open(Suite.model_validate_json(suite, context=STORED), root, pinned=pinned)


def check_shapes(domain: Domain, suite: Suite) -> None:
    """InvalidValue if a domain is too small for the suite's episodes, or has no test classes."""
    if "test" not in domain.tables:
        raise InvalidValue(f"{domain.name} has no test classes; a suite tests all of its domains")
    for shape in suite.shapes(domain.name):
        domain.tables["test"].check(shape)
    if domain.trains:
        for shape in suite.train_shapes(domain.name):
            domain.tables["train"].check(shape)


class LoadedSuite(Suite):
    """A suite that opens its own data: what `metanas.load_suite` returns."""

    def open(self, root: Path | str | Sequence[Path | str] | None = None, *, pinned: bool = True) -> Datasets:
        """See `Datasets.open`."""
        return Datasets.open(self.plain(), data_root(root), pinned=pinned)

    def plain(self) -> Suite:
        """The same as a `Suite`, the value that a run's configuration holds."""
        return Suite.model_validate(self.model_dump())


def load_suite(name: str | Path) -> LoadedSuite:
    """The suite of that name, or the one in a YAML file of your own. UnknownName, InvalidValue."""
    return LoadedSuite.model_validate(suites.load_suite(name).model_dump())
