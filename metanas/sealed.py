"""Sealed episodes: few-shot problems of classes that did not exist before they were drawn.

A data set that anyone can download cannot be sealed: whoever has it has the labels. Where a domain can make
new classes (`MakesClasses`: words nobody wrote, languages nobody speaks), a board can hand out episodes whose
labels only it knows. They follow from one secret number, so they need not be kept: they are
`episode.query_labels` with the secret for a seed. The inputs are drawn once and kept, since eSpeak's voices
carry noise from one word to the next.

    python -m metanas.sealed OUT < request.json

writes the inputs of the episodes as safetensors. A board runs this in a process of its own, since making
speech needs torch; what is imported here does not. Next: `fresh.py` answers such episodes.
"""

import json
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from metanas.episode import EpisodeShape, Ints, query_labels
from metanas.kinds import DOMAINS


@runtime_checkable
class MakesClasses(Protocol):
    """What an adapter in `tasks/` has besides `store.Adapter` if its domain can be sealed."""

    def fresh(self, source: random.Random, ways: int, each: int) -> NDArray[Any]:
        """`each` different examples of each of `ways` new classes (ways, each, *input), as in Examples.x."""
        ...


class SealedTask(NamedTuple):
    """Episodes 0..episodes-1 of one domain and shape."""

    domain: str
    shape: EpisodeShape
    episodes: int

    @property
    def name(self) -> str:
        """langid/5w1s, as in result.Task."""
        return f"{self.domain}/{self.shape.ways}w{self.shape.shots}s"

    def as_json(self) -> dict[str, Any]:
        """How a challenge keeps and sends it: domain, ways, shots, queries, episodes."""
        return {"domain": self.domain, **asdict(self.shape), "episodes": self.episodes}

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "SealedTask":
        """From what `as_json` gave."""
        shape = EpisodeShape(found["ways"], found["shots"], found["queries"])
        return cls(found["domain"], shape, found["episodes"])


class Inputs(NamedTuple):
    """support: (E, ways * shots, *input), class by class. query: (E, ways * queries, *input), shuffled."""

    support: NDArray[Any]
    query: NDArray[Any]


def sealable(domain: str) -> bool:
    """Whether new classes of this domain can be made."""
    return domain in DOMAINS and issubclass(DOMAINS[domain], MakesClasses)


def labels(secret: int, task: SealedTask) -> Ints:
    """True labels of the queries (E, ways * queries); they need the secret and nothing else."""
    return query_labels(task.domain, "test", secret, task.shape, np.arange(task.episodes))


def draw(secret: int, task: SealedTask) -> Inputs:
    """The inputs of a task. ValueError if its domain cannot make new classes.

    Every episode has classes of its own and every example stands once, so nothing can be learned about one
    episode from another.
    """
    adapter, shape = DOMAINS[task.domain](), task.shape
    if not isinstance(adapter, MakesClasses):
        raise ValueError(f"{task.domain} is a public data set; fresh episodes of it cannot be sealed")
    support, query = [], []
    for episode, true in enumerate(labels(secret, task)):
        source = random.Random(f"{secret} {task.name} {episode}")
        made = adapter.fresh(source, shape.ways, shape.shots + shape.queries)  # (ways, each, *input)
        support.append(made[:, : shape.shots].reshape(-1, *made.shape[2:]))
        turn = [int((true[:place] == label).sum()) for place, label in enumerate(true)]
        query.append(made[true, shape.shots + np.array(turn)])
    return Inputs(np.stack(support), np.stack(query))


def write(path: Path, secret: int, tasks: Iterable[SealedTask]) -> None:
    """The inputs of several tasks as one safetensors file: `<task>/support` and `<task>/query`."""
    from safetensors.numpy import save_file

    arrays = {}
    for task in tasks:
        for part, array in draw(secret, task)._asdict().items():
            arrays[f"{task.name}/{part}"] = np.ascontiguousarray(array)
    save_file(arrays, path)


def request(secret: int, tasks: Sequence[SealedTask]) -> bytes:
    """What the program reads from its standard input."""
    return json.dumps({"secret": str(secret), "tasks": [task.as_json() for task in tasks]}).encode()


def main() -> None:
    """Draw what the request on standard input asks for; the file to write is the only argument."""
    asked = json.load(sys.stdin)
    write(Path(sys.argv[1]), int(asked["secret"]), [SealedTask.of(task) for task in asked["tasks"]])


if __name__ == "__main__":
    main()
