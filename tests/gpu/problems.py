"""Small methods and tasks whose classes can be told apart, to compare devices. No data set is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from metanas.base.plugins import PluginError
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.data.meta_batches import MetaBatchSampler
from metanas.engine.config import known_keys, settings_of
from metanas.engine.runtime import Runtime, move
from metanas.method import METHODS, Method, State

WAYS, TASKS, TOTAL = 5, 4, 8
SPECS = (
    TaskSpec("image", "image", (1, 12, 12), WAYS, classes=8),
    TaskSpec("text", "text", (11,), WAYS, 257, classes=8),
    TaskSpec("speech", "speech", (16, 20), WAYS, classes=8),
)
SMALL = {"channels": 16, "layers": 2, "reductions": (1,)}
QUICK = {"steps": 2, "test_steps": 3, "candidates": 2, "retrain_steps": 3, "cg_steps": 2}
CUDA = Runtime("cuda") if torch.cuda.is_available() else Runtime()


def tasks(spec: TaskSpec, seed: int, count: int = TASKS, shots: int = 1, queries: int = 3) -> Episodes:
    """Tasks of noisy copies of one example a class."""
    dice = generator(seed, "gpu", spec.name)
    each = shots + queries
    shape = (count, WAYS, 1, *spec.input_shape)
    if spec.modality == "text":
        x = torch.randint(1, 257, shape, generator=dice).expand(-1, -1, each, -1).clone()
        noisy = torch.rand(x.shape, generator=dice) < 0.3
        x[noisy] = torch.randint(1, 257, (int(noisy.sum()),), generator=dice)
        x[..., 8:] = 0
    else:
        x = torch.randn(shape, generator=dice)
        x = x + 0.5 * torch.randn(count, WAYS, each, *spec.input_shape, generator=dice)
    if spec.modality == "speech":
        x[:, :, :, :, 15:] = torch.nan
    y = torch.arange(WAYS)[None, :, None].expand(count, -1, each)
    parts = [
        Batch(x[:, :, part].flatten(1, 2), y[:, :, part].flatten(1, 2).contiguous())
        for part in (slice(shots), slice(shots, None))
    ]
    classes = torch.stack([torch.randperm(8, generator=dice)[:WAYS] for _ in range(count)])
    return Episodes(spec, *parts, classes)


@dataclass(frozen=True)
class Given(MetaBatchSampler):
    """The tasks of `tasks` as meta-batches."""

    specs: Sequence[TaskSpec] = SPECS

    def __getitem__(self, iteration: int) -> list[Episodes]:
        return [tasks(spec, iteration) for spec in self.specs]


def specs_of(name: str) -> tuple[TaskSpec, ...]:
    """The specs for a method of that name."""
    return SPECS[:1] if name.startswith("l2l") else SPECS  # learn2learn's own wants every weight to be used


def sampler(specs: Sequence[TaskSpec] = SPECS) -> Given:
    return Given([], lambda name: [], TASKS, 0, specs)


def made(name: str, specs: Sequence[TaskSpec] = SPECS, **settings: Any) -> Method:
    """A method with small settings. Skips if an extra is missing."""
    kind = METHODS[name]
    known = {key.partition(".")[0] for key in known_keys(kind.Settings)}
    wanted = {"space": SMALL, "network": {"width": 8}, **QUICK, **settings}
    try:
        return kind(specs, settings_of(kind, {key: v for key, v in wanted.items() if key in known}))
    except PluginError as error:
        pytest.skip(f"NOT RUN: {error}")


def decided(state: State) -> State:
    """The state with architecture logits from a normal distribution, the same on every device."""
    dice = generator(0, "gpu", "arch")
    drawn = {k: torch.randn(t.shape, generator=dice) for k, t in sorted(state.group("arch").items())}
    return state | {f"arch/{k}": t.to(state.device) for k, t in drawn.items()}


def double(method: Method, state: State, device: torch.device) -> State:
    """Method and state in float64 on a device; bookkeeping stays as it is."""
    move(method, device)
    for value in vars(method).values():
        if isinstance(value, nn.Module):
            value.double()

    def placed(name: str, t: Tensor) -> Tensor:
        counts = name.startswith(("memory/2/", "history/"))  # Adam's steps, trials
        return t.cpu() if counts or not t.is_floating_point() else t.to(device, torch.float64)

    return State({name: placed(name, t) for name, t in state.items()})


def in_double(episodes: Episodes, device: torch.device) -> Episodes:
    """Tasks in float64 on a device."""

    def part(batch: Batch) -> Batch:
        return Batch(batch.x.double() if batch.x.is_floating_point() else batch.x, batch.y)

    return Episodes(episodes.spec, part(episodes.support), part(episodes.query), episodes.classes).to(device)
