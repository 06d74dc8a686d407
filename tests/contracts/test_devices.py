"""Every registered method and network runs on a device that is not the CPU: on `meta`, which needs no card.

Tensors on `meta` have shapes and no values. One that some code made on the CPU by itself does not mix with
them and raises, as it would with a card's. Where a method must read a value (which candidates are left, a
fitness) it reads a made-up one here. `tests/models/test_device.py` has every operation of the supernet;
`tests/gpu` compares values on a card.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from metanas.base.plugins import PluginError
from metanas.base.seeding import generator
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.engine.config import known_keys, settings_of
from metanas.engine.runtime import move
from metanas.method import METHODS, Method, Progress, State
from metanas.space.network_config import NETWORKS
from tests import tiny

META = torch.device("meta")
SPECS = tuple(
    TaskSpec(spec.name, spec.modality, spec.input_shape, spec.ways, spec.vocabulary, classes=5)
    for spec in tiny.SPECS
)
SMALL = {"channels": 4, "layers": 1, "reductions": (), "ops": ("conv3", "skip")}
QUICK = {"steps": 1, "test_steps": 1, "batching": "vmap", "candidates": 1, "retrain_steps": 1, "cg_steps": 1}
CASES = [(name, "supernet", SPECS[1:2]) for name in METHODS]  # what differs by modality is in the networks
CASES += [(name, kind, SPECS) for kind in ("supernet", *NETWORKS) for name in ("maml", "protonet")]
TOTAL = 8  # iterations, of which the tests take one in each phase of a method


class Read(TorchFunctionMode):
    """Values read from `meta` are 1."""

    readers: dict[Any, Callable[[Any], object]] = {
        torch.Tensor.tolist: lambda t: torch.ones(t.shape, dtype=t.dtype).tolist(),
        torch.Tensor.item: lambda t: torch.ones((), dtype=t.dtype).item(),
        torch.Tensor.__float__: lambda t: 1.0,
        torch.Tensor.__int__: lambda t: 1,
        torch.Tensor.__bool__: lambda t: True,
    }

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in self.readers and args[0].device == META:
            return self.readers[func](args[0])
        return func(*args, **(kwargs or {}))


def made(name: str, network: str, specs: Sequence[TaskSpec]) -> Method:
    kind = METHODS[name]
    known = {key.partition(".")[0] for key in known_keys(kind.Settings)}
    wanted = {"space": SMALL, "network": {"kind": network, "width": 4}, **QUICK}
    settings = settings_of(kind, {key: value for key, value in wanted.items() if key in known})
    try:
        return kind(specs, settings)
    except PluginError as error:  # an extra that is not installed
        pytest.skip(f"NOT RUN: {error}")


def tasks(spec: TaskSpec) -> Episodes:
    """Two tasks of one example and two queries a class, on `meta`."""

    def part(each: int) -> Batch:
        x = tiny.inputs(spec, 2 * 2 * each)
        x = (x if spec.modality == "text" else x.float()).unflatten(0, (2, -1))
        return Batch(x, torch.arange(2).repeat_interleave(each).repeat(2, 1))

    return Episodes(spec, part(1), part(2), torch.tensor([[0, 1], [2, 3]])).to(META)


@pytest.mark.parametrize(("name", "network", "specs"), CASES)
def test_steps_and_adapts_on_another_device(name: str, network: str, specs: Sequence[TaskSpec]) -> None:
    method = made(name, network, specs)
    state = State(method.start(generator(0, "device"))).to(META)
    move(method, META)
    learned = {key: t.device for key, t in state.items() if t.dtype == torch.float32}
    with Read():
        for phase in (0.0, *method.phases()) if method.trains else ():
            progress = Progress(math.ceil(phase * TOTAL), TOTAL)
            stepped, losses = method.step(state, progress, [tasks(spec) for spec in specs])
            state = State(stepped)
            assert losses and all(isinstance(loss, float | torch.Tensor) for loss in losses.values())
        assert {key: state[key].device for key in learned} == learned
        assert all(t.device.type == "cpu" for t in state.values() if t.dtype != torch.float32)
        for spec in specs:
            episodes = tasks(spec)
            adapted = method.adapt(state, spec, episodes.support)
            probabilities = adapted.predict(episodes.query.x)
            assert probabilities.shape == (2, 4, 2) and probabilities.device == META
            assert all(t.device == META for t in (adapted.arch or {}).values())


def test_a_tensor_made_on_the_cpu_is_caught() -> None:
    state = State({"weights/a": torch.ones(3)}).to(META)
    with pytest.raises(RuntimeError, match="device"):
        state["weights/a"] + torch.ones(3)


def test_only_what_is_learned_moves() -> None:
    state = State(
        {
            "weights/a": torch.ones(3),
            "rates/b": torch.ones(()),
            "memory/2/weights/a": torch.ones((), dtype=torch.float64),
            "seed": torch.tensor(1),
        }
    )
    assert [t.device.type for t in state.to(META).values()] == ["meta", "meta", "cpu", "cpu"]
    assert state.to(META).device == META and state.device.type == "cpu"
    assert math.isclose(float(state.to(torch.device("cpu"))["rates/b"]), 1.0)
