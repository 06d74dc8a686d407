"""A method of your own in thirty lines: label each query like the nearest class mean, in raw inputs.

    python examples/new_method.py

A method that learns has `step` as well; `metanas new-method NAME` writes one to start from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

import metanas
from metanas.base.ranges import Positive


@metanas.METHODS.register("nearest-mean")
class NearestMean(metanas.Method):
    """The class of the nearest mean of support inputs."""

    transductive = False  # no query's answer depends on other queries
    trains = False

    @dataclass(frozen=True)
    class Settings:
        """sharpness: how certain a small difference of distances makes it."""

        sharpness: Positive = 1.0

    def __init__(self, specs: Sequence[metanas.TaskSpec], settings: Settings) -> None:
        self.settings = settings

    def start(self, generator: torch.Generator) -> metanas.State:
        return metanas.State({})

    def adapt(self, state: metanas.State, spec: metanas.TaskSpec, support: metanas.Batch) -> metanas.Adapted:
        x = support.x.flatten(2).float()  # (T, B, F)
        members = torch.nn.functional.one_hot(support.y, spec.ways).float()  # (T, B, ways)
        means = (members.transpose(1, 2) @ x) / members.sum(1)[:, :, None]  # (T, ways, F)

        def predict(query: Tensor) -> Tensor:
            distances = torch.cdist(query.flatten(2).float(), means)  # (T, Q, ways)
            return (-self.settings.sharpness * distances).softmax(-1)

        return metanas.Adapted(predict)


options = {"domains": ["digits", "langid"], "seeds": [0], "budget": "smoke"}
mine = metanas.run("nearest-mean", "mini-v1", out="runs/nearest-mean", **options)
chance = metanas.run("chance", "mini-v1", out="runs/chance", **options)
print(metanas.compare([mine, chance]).to_pandas()[["method", "accuracy", "low", "high"]])
