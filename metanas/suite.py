"""Suites: a versioned list of domains with a protocol, one YAML file each in `tasks/suites/`.

Torch-free. What a suite's data and pinned episodes must be is in `manifest.py`.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from metanas import plugins
from metanas.episode import EpisodeShape
from metanas.registry import UnknownName

Positive = Annotated[int, Field(ge=1)]


class Budget(BaseModel):
    """How much meta-training a track allows, the same for all its methods."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: Annotated[int, Field(ge=0)]
    tasks: Positive  # episodes per domain and iteration
    eval_episodes: Positive  # the first so many of the pinned test episodes
    flops: Annotated[float, Field(gt=0)] | None = None  # operations of meta-training, in place of iterations
    patience: Positive | None = None  # stop after so many checks without a new best on meta-validation
    check_every: Positive = 50  # iterations between these checks
    check_episodes: Positive = 50  # per domain and number of shots

    def named(self, name: str) -> dict[str, int | float | str]:
        """As a submission says it: what is not asked for is left out."""
        said = self.model_dump(exclude_none=True)
        if self.patience is None:
            said = {key: value for key, value in said.items() if not key.startswith("check_")}
        if self.flops is not None:
            del said["iterations"]
        return {"name": name, **said}


class DomainOptions(BaseModel):
    """Where a domain differs from its suite. None: as the suite says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ways: Annotated[int, Field(ge=2)] | None = None  # a set of four classes is a 4-way problem
    queries: Positive | None = None
    group_disjoint: bool = False  # in test episodes, no speaker (drawer) of the support is in the query set
    augment: bool = False  # speech: masks on the spectrograms of meta-training
    tokens: Literal["bytes", "words"] = "bytes"  # text: words come from the meta-train classes
    vectors: Path | None = None  # text, words: a file of word vectors, which then stay as they are


class Suite(BaseModel):
    """A protocol: which domains, which episodes, which budgets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    summary: str
    domains: tuple[str, ...]
    ways: Annotated[int, Field(ge=2)]
    shots: Annotated[tuple[Positive, ...], Field(min_length=1)]
    queries: Positive
    train_queries: Positive
    train_ways: Annotated[int, Field(ge=2)] | None = None  # None: as in test episodes
    episodes: Positive
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    budgets: dict[str, Budget]
    options: dict[str, DomainOptions] = {}  # by domain

    def of(self, domain: str) -> DomainOptions:
        """The options of a domain."""
        return self.options.get(domain, DomainOptions())

    def ways_of(self, domain: str) -> int:
        """The number of classes in an episode of this domain."""
        return self.of(domain).ways or self.ways

    def shapes(self, domain: str) -> list[EpisodeShape]:
        """The shapes of a domain's test episodes, one per number of shots."""
        queries = self.of(domain).queries or self.queries
        return [EpisodeShape(self.ways_of(domain), shots, queries) for shots in self.shots]

    def train_shapes(self, domain: str) -> list[EpisodeShape]:
        """The shapes of a domain's meta-training episodes."""
        ways = self.train_ways or self.ways_of(domain)
        return [EpisodeShape(ways, shots, self.train_queries) for shots in self.shots]


def folder() -> Path:
    """Where the suites lie."""
    return plugins.folder("tasks") / "suites"


def names() -> tuple[str, ...]:
    """All suites there are."""
    return tuple(sorted(path.stem for path in folder().glob("*.yaml")))


def load_suite(name: str) -> Suite:
    """The suite of that name. UnknownName says which was probably meant."""
    if name not in names():
        raise UnknownName("suite", name, names())
    return Suite.model_validate(yaml.safe_load((folder() / f"{name}.yaml").read_text(encoding="utf-8")))
