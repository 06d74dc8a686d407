"""Suites: versioned lists of domains with a protocol, one YAML file each in `tasks/suites/`. No torch.

What a suite's data and pinned episodes must be is in `manifest.py`; `datasets.py` opens a suite's data.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from metanas.base import plugins, yaml_text
from metanas.base.errors import InvalidValue
from metanas.base.ranges import Count, Number, Positive, Range, Seed
from metanas.base.registry import UnknownName
from metanas.data.episode import EpisodeShape

Ways = Annotated[int, Range(least=2)]
Tested = Annotated[int, Range(least=2, why="an interval of accuracies needs two")]


class Budget(BaseModel):
    """How much meta-training a track allows its methods, and on how many episodes it tests them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: Number
    tasks: Count  # episodes per domain and iteration
    eval_episodes: Tested  # so many of the pinned test episodes, from the first
    flops: Positive | None = None  # of meta-training, in place of iterations
    patience: Count | None = None  # stop after so many checks without a new best meta-validation accuracy
    check_every: Count = 50  # iterations between these checks
    check_episodes: Count = 50  # per domain and number of shots

    def named(self, name: str) -> dict[str, int | float | str]:
        """The budget as a submission states it: fields that have no effect are left out."""
        fields = self.model_dump(exclude_none=True)
        if self.patience is None:
            fields = {key: value for key, value in fields.items() if not key.startswith("check_")}
        if self.flops is not None:
            del fields["iterations"]
        return {"name": name, **fields}


class DomainOptions(BaseModel):
    """Settings of one domain that differ from its suite's. None: as the suite says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ways: Ways | None = None  # a domain of four classes has 4-way tasks
    queries: Count | None = None
    group_disjoint: bool = False  # no speaker or drawer of a test episode is in both of its sets
    distinct: bool = False  # repeated examples are left out (`duplicates.py`)
    augment: bool = False  # speech: SpecAugment in meta-training (`augment.py`)
    tokens: Literal["bytes", "words"] = "bytes"  # text: words come from the meta-train classes
    vectors: Path | None = None  # text, words: a file of word vectors, which are not trained


class Suite(BaseModel):
    """A benchmark protocol: domains, shapes of their episodes, seeds and budgets."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    summary: str
    domains: tuple[str, ...]
    ways: Ways
    shots: Annotated[tuple[Count, ...], Field(min_length=1)]
    queries: Count
    train_queries: Count
    train_ways: Ways | None = None  # of meta-training; None: as in test episodes
    episodes: Tested
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    budgets: dict[str, Budget]
    options: dict[str, DomainOptions] = {}  # by domain

    @property
    def label(self) -> str:
        """What results call the suite: its name, or "mini-v1 (changed)" where it is not that suite.

        Fewer domains or numbers of shots, other seeds and budgets do not change a suite.
        """
        if self.name not in names():
            return self.name
        own = load_suite(self.name)
        fields = {"version", "ways", "queries", "train_queries", "train_ways", "episodes"}
        same = self.model_dump(include=fields) == own.model_dump(include=fields)
        fewer = set(self.shots) <= set(own.shots) and set(self.domains) <= set(own.domains)
        options = all(self.of(domain) == own.of(domain) for domain in self.domains)
        return self.name if same and fewer and options else f"{self.name} (changed)"

    def of(self, domain: str) -> DomainOptions:
        """The options of a domain, the defaults if the suite has none for it."""
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
    """The folder of the suites' YAML files."""
    return plugins.folder("tasks") / "suites"


def names() -> tuple[str, ...]:
    """The names of all suites, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.yaml")))


def load_suite(name: str | Path) -> Suite:
    """The suite of that name, or the one in a YAML file: a path that ends in .yaml or .yml.

    UnknownName names the closest one; InvalidValue says what is wrong in the file.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        if str(name) not in names():
            raise UnknownName("suite", str(name), names())
        path = folder() / f"{name}.yaml"
    try:
        return Suite.model_validate(yaml_text.read(path))
    except (InvalidValue, ValidationError) as error:
        raise InvalidValue(f"{path} does not describe a suite: {error}") from error
