"""Suites: a versioned list of domains with a protocol, one YAML file each in `tasks/suites/`.

Torch-free. What a suite's data and pinned episodes must be is in `manifest.py`.
"""

from pathlib import Path
from typing import Annotated

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
    episodes: Positive
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    budgets: dict[str, Budget]

    def shapes(self) -> list[EpisodeShape]:
        """The shapes of test episodes, one per number of shots."""
        return [EpisodeShape(self.ways, shots, self.queries) for shots in self.shots]

    def train_shapes(self) -> list[EpisodeShape]:
        """The shapes of meta-training episodes."""
        return [EpisodeShape(self.ways, shots, self.train_queries) for shots in self.shots]


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
