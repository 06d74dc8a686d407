"""What a table holds and how it was made: a list of architectures, one recipe, the domains of some suites.

A definition is a YAML file of this folder (`table-v1.yaml`) or anyone's own. The list is a pure function of
the definition: the pure architectures, named ones, then random ones of the space from a pinned stream.
"""

from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from metanas.base import described, philox
from metanas.base.errors import InvalidValue
from metanas.base.registry import UnknownName
from metanas.space.architecture import Architecture, Node, frame, parse
from metanas.space.enumeration import at, member, size
from metanas.space.space import SearchSpace

FOLDER = Path(__file__).parent
Positive = Annotated[int, Field(ge=1)]


class Definition(BaseModel):
    """Every number that decides what stands in a table.

    suites: whose domains; more may be added to a table. space: the settings of its `SearchSpace`. method,
    settings: what trains each architecture alone, on one domain. iterations, tasks: of this training. seeds:
    trainings of each architecture. episodes: how many pinned episodes of each split are answered, for each
    number of shots of the suite. pure: activation of the pure architectures (one op in all layers, at every
    depth). named: further architectures by their text. random: how many more, from the stream `stream`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    version: str
    summary: str
    suites: Annotated[tuple[str, ...], Field(min_length=1)]
    space: dict[str, Any]
    method: str
    settings: dict[str, Any] = {}
    iterations: Positive
    tasks: Positive
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    episodes: dict[str, Positive]  # by split: val, test
    pure: str
    named: tuple[str, ...] = ()
    random: Annotated[int, Field(ge=0)]
    stream: str

    @model_validator(mode="after")
    def _checked(self) -> Self:
        if set(self.episodes) != {"val", "test"}:
            raise InvalidValue(f"episodes are of val and test, got {', '.join(self.episodes)}")
        _ = self.architectures  # InvalidValue if there are too few
        return self

    @property
    def search_space(self) -> SearchSpace:
        """The space whose architectures are listed."""
        return SearchSpace(**self.space)

    @property
    def architectures(self) -> tuple[Architecture, ...]:
        """The list: pure, named and random ones, each once, always in the same order."""
        space = self.search_space
        pure = [
            frame(space, [Node(op, self.pure)] * (exit_ + 1)) for op in space.ops for exit_ in space.exits
        ]
        listed = dict.fromkeys([*pure, *(parse(text, space) for text in self.named)])
        wanted, total = len(listed) + self.random, size(space)
        if self.random > total - sum(member(space, a) is not None for a in listed):
            raise InvalidValue(f"the space has {total} architectures, too few for {self.random} random ones")
        row = 0
        while len(listed) < wanted:
            listed[at(space, _below(total, self.stream, row))] = None
            row += 1
        return tuple(listed)

    def grows_to(self, other: "Definition") -> bool:
        """Whether `other` is this definition with more suites, seeds or random architectures."""
        free = ("suites", "seeds", "random")
        same = self.model_copy(update={name: getattr(other, name) for name in free}) == other
        return same and set(self.suites) <= set(other.suites) and set(self.seeds) <= set(other.seeds)


def text_of(architecture: Architecture) -> str:
    """The layers of an architecture as text; the rest of it is the same in a whole table."""
    return " > ".join(map(str, architecture.layers))


def names() -> tuple[str, ...]:
    """The names of the package's definitions, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def load_definition(name: str | Path) -> Definition:
    """The definition of that name, or the one in a YAML file: a path that ends in .yaml or .yml.

    UnknownName names the closest one; InvalidValue says what is wrong in the file.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        if str(name) not in names():
            raise UnknownName("table", str(name), names())
        path = FOLDER / f"{name}.yaml"
    return described.read(path, Definition, "does not define a table")


def _below(bound: int, stream: str, row: int) -> int:
    """Number `row` of a stream of uniform integers in [0, bound); the bias is below bound / 2^64."""
    high, low = philox.words(philox.key("table", stream), np.array([row]), 2)[0].tolist()
    return ((high << 32 | low) * bound) >> 64
