"""Sealed episodes: tasks of new classes whose labels only the leaderboard knows.

A data set that anyone can download cannot be sealed: whoever has it has the labels. Where a domain can
generate new classes (`MakesClasses`: invented words, invented languages), a leaderboard can hand out tasks
whose labels follow from one secret number. The labels need not be stored: they are `sampler.query_labels`
with the secret as seed. The inputs are drawn once and stored, since eSpeak's voices carry noise from one
word to the next.

    python -m metanas.data.sealed OUT < request.json

writes the inputs of the tasks as safetensors. A leaderboard runs this in a process of its own, since
generating speech needs torch; importing this module does not. `studies/answer_sealed.py` answers such tasks.
"""

import json
import random
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import InvalidValue
from metanas.base.plugins import PluginError
from metanas.data.adapter import DOMAINS
from metanas.data.episode import EpisodeShape, Ints
from metanas.data.sampler import query_labels


@runtime_checkable
class MakesClasses(Protocol):
    """What an adapter has besides `adapter.Adapter` if its domain can be sealed."""

    def fresh(self, rng: random.Random, ways: int, per_class: int) -> NDArray[Any]:
        """Different examples of `ways` new classes, as in `Examples.x`: (ways, per_class, *input_shape)."""
        ...


class SealedTask(NamedTuple):
    """Tasks 0..episodes-1 of one domain and shape."""

    domain: str
    shape: EpisodeShape
    episodes: int

    @property
    def name(self) -> str:
        """The name as in `result.Task`: langid/5w1s."""
        return f"{self.domain}/{self.shape.name}"

    def as_json(self) -> dict[str, Any]:
        """As a challenge stores and sends it: domain, ways, shots, queries, episodes."""
        shape = {name: getattr(self.shape, name) for name in ("ways", "shots", "queries")}
        return {"domain": self.domain, **shape, "episodes": self.episodes}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "SealedTask":
        """The inverse of `as_json`. KeyError for a missing field."""
        shape = EpisodeShape(fields["ways"], fields["shots"], fields["queries"])
        return cls(fields["domain"], shape, fields["episodes"])


class Inputs(NamedTuple):
    """Inputs of E tasks.

    support: (E, ways * shots, *input_shape), class by class. query: (E, ways * queries, *input_shape),
    shuffled.
    """

    support: NDArray[Any]
    query: NDArray[Any]


def sealable(domain: str) -> bool:
    """Whether the domain exists, can be loaded and can generate new classes."""
    try:
        return domain in DOMAINS and issubclass(DOMAINS[domain], MakesClasses)
    except PluginError:  # of an installed package that is broken
        return False


def labels(secret: int, task: SealedTask) -> Ints:
    """True labels of the query sets (E, ways * queries), from the secret alone."""
    return query_labels(task.domain, "test", secret, task.shape, np.arange(task.episodes))


def draw(secret: int, task: SealedTask) -> Inputs:
    """The inputs of a sealed task. InvalidValue if its domain cannot generate new classes.

    Every episode has classes of its own and no example occurs twice, so nothing can be learned about one
    episode from another.
    """
    adapter, shape = DOMAINS[task.domain](), task.shape
    if not isinstance(adapter, MakesClasses):
        raise InvalidValue(f"{task.domain} is a public data set; fresh episodes of it cannot be sealed")
    support, query = [], []
    for episode, true in enumerate(labels(secret, task)):
        rng = random.Random(f"{secret} {task.name} {episode}")
        x = adapter.fresh(rng, shape.ways, shape.shots + shape.queries)  # (ways, per_class, *input_shape)
        support.append(x[:, : shape.shots].reshape(-1, *x.shape[2:]))
        turn = [int((true[:place] == label).sum()) for place, label in enumerate(true)]
        query.append(x[true, shape.shots + np.array(turn)])
    return Inputs(np.stack(support), np.stack(query))


def write(path: Path, secret: int, tasks: Iterable[SealedTask]) -> None:
    """Write the inputs of tasks to one safetensors file, as `<task>/support` and `<task>/query`."""
    from safetensors.numpy import save_file

    arrays = {}
    for task in tasks:
        for part, array in draw(secret, task)._asdict().items():
            arrays[f"{task.name}/{part}"] = np.ascontiguousarray(array)
    save_file(arrays, path)


def request(secret: int, tasks: Sequence[SealedTask]) -> bytes:
    """The JSON that this program reads from its standard input."""
    return json.dumps({"secret": str(secret), "tasks": [task.as_json() for task in tasks]}).encode()


def main() -> None:
    """Draw the tasks of the request on standard input; the only argument is the file to write."""
    job = json.load(sys.stdin)
    write(Path(sys.argv[1]), int(job["secret"]), [SealedTask.of(task) for task in job["tasks"]])


if __name__ == "__main__":
    main()
