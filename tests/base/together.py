"""Meta-train a tiny network in float64, alone or under torchrun: together FOLDER METHOD[+SETTING]...."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from metanas.base import distributed
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.data.meta_batches import MetaBatchSampler
from metanas.engine.config import settings_of
from metanas.engine.trainer import meta_train
from metanas.method import METHODS

ITERATIONS, TASKS = 4, 3  # three tasks for two processes: shares of different size


@dataclass(frozen=True)
class Given(MetaBatchSampler):
    """Random tasks of two kinds of images, in float64, and of text."""

    def __getitem__(self, iteration: int) -> list[Episodes]:
        dice = generator(iteration, "tasks")

        def part(spec: TaskSpec, each: int) -> Batch:
            shape = (TASKS, 2 * each, *spec.input_shape)
            if spec.vocabulary:
                x = torch.randint(1, spec.vocabulary, shape, generator=dice)
            else:
                x = torch.randn(shape, generator=dice, dtype=torch.float64)
            return Batch(x, torch.arange(2).repeat_interleave(each).repeat(TASKS, 1))

        classes = torch.tensor([[0, 1], [2, 3], [4, 0]])
        return [Episodes(spec, part(spec, 1), part(spec, 3), classes) for spec in SPECS]


SPECS = (
    *(TaskSpec(name, "image", (1, 8, 8), 2, classes=5) for name in ("first", "second")),
    TaskSpec("third", "text", (6,), 2, vocabulary=20, classes=5),
)


def main(word: str, folder: Path) -> None:
    name, _, switched_on = word.partition("+")
    torch.set_default_dtype(torch.float64)
    space = {"layers": 1, "channels": 4, "reductions": [], "ops": ["conv3", "skip"]}
    chosen = {"space": space} | ({switched_on: True} if switched_on else {})
    method = METHODS[name](SPECS, settings_of(METHODS[name], chosen))
    meta_train(method, Given([], lambda name: [], TASKS, 0), ITERATIONS, folder / word)


if __name__ == "__main__":
    with distributed.process_group():
        for name in sys.argv[2:]:
            main(name, Path(sys.argv[1]))
