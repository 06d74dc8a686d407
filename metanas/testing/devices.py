"""Run a method on the device `meta`, which needs no card: a tensor made on the CPU by itself raises there.

Tensors on `meta` have shapes and no values. Where a method must read a value (which candidates are left, a
fitness) it reads a made-up one here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from metanas.base.seeding import generator
from metanas.data.episode import TaskSpec
from metanas.engine.config import known_keys, settings_of
from metanas.engine.runtime import move
from metanas.method import METHODS, Method, Progress, State
from metanas.testing.check import fail, require
from metanas.testing.inputs import episodes

META = torch.device("meta")
SMALL = {"channels": 4, "layers": 1, "reductions": (), "ops": ("conv3", "skip")}
QUICK = {"steps": 1, "test_steps": 1, "batching": "vmap", "candidates": 1, "retrain_steps": 1, "cg_steps": 1}
TOTAL = 8  # iterations, of which one in each phase of a method is taken


class Read(TorchFunctionMode):
    """Values read from `meta` are 1.

    waits: what a card would have to be waited for, in order: values that were read, if only by a check of
    torch's, and copies to it that are not through pinned memory (`data.episode.moved`).
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    readers: dict[Any, Callable[[Any], object]] = {
        torch.Tensor.tolist: lambda t: torch.ones(t.shape, dtype=t.dtype).tolist(),
        torch.Tensor.item: lambda t: torch.ones((), dtype=t.dtype).item(),
        torch.Tensor.__float__: lambda t: 1.0,
        torch.Tensor.__int__: lambda t: 1,
        torch.Tensor.__bool__: lambda t: True,
        torch.Tensor.cpu: lambda t: torch.ones(t.shape, dtype=t.dtype),
    }
    makers = (torch.tensor, torch.as_tensor)
    checkers = (torch.linalg.solve, torch.linalg.inv, torch.linalg.cholesky)  # of singular matrices

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function, or read a 1."""
        kwargs = kwargs or {}
        if func in self.readers and args[0].device == META:
            self.waits.append(f"reads by {func.__name__}")
            return self.readers[func](args[0])
        result = func(*args, **kwargs)
        if isinstance(result, torch.Tensor) and result.device == META:
            copied = func is torch.Tensor.to and args[0].device != META and not kwargs.get("non_blocking")
            indexed = func is torch.Tensor.__getitem__ and any(map(_from_cpu, _parts(args[1])))
            if copied or indexed or func in self.makers:
                self.waits.append(f"copies to it by {func.__name__}")
            if func in self.checkers:
                self.waits.append(f"reads by {func.__name__}")
        return result


def _parts(index: object) -> tuple[object, ...]:
    return index if isinstance(index, tuple) else (index,)


def _from_cpu(index: object) -> bool:
    """Whether a part of an index is numbers on the CPU, which a card must be given."""
    if isinstance(index, torch.Tensor):
        return index.device != META and index.dim() > 0
    return isinstance(index, list)


class Single(TorchDispatchMode):
    """Refuses float64 on `meta`: not every accelerator has it (Apple's do not)."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the operator. CheckFailed if it makes a float64 tensor."""
        found = func(*args, **(kwargs or {}))
        for t in tree_leaves(found):
            if isinstance(t, torch.Tensor) and t.device == META and t.dtype == torch.float64:
                fail(f"{func} makes a float64 tensor on the device; some have none")
        return found


def made(
    name: str, specs: Sequence[TaskSpec], network: str = "supernet", given: Mapping[str, Any] | None = None
) -> Method:
    """A method for these specs that is quick. given: settings that go before the quick ones.

    PluginError if it needs a package that is not installed.
    """
    quick = {"space": SMALL, "network": {"kind": network, "width": 4}, **QUICK}
    kind = METHODS[name]
    method: Method = kind(specs, settings_of(kind, over(kind, quick, given or {})))
    return method


def over(kind: type[Method], quick: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings `given`, over those of `quick` that the method has; groups of settings are merged."""
    known = {key.partition(".")[0] for key in known_keys(kind.Settings)}
    result = {key: value for key, value in quick.items() if key in known}
    for key, value in given.items():
        below = result.get(key)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        result[key] = {**below, **value} if both else value  # type: ignore[dict-item]
    return result


def run_elsewhere(method: Method, specs: Sequence[TaskSpec]) -> list[str]:
    """Start, train in every phase and adapt on `meta`. CheckFailed; torch raises for a tensor elsewhere.

    Returns what a card would have to be waited for in the steps (`Read.waits`).
    """
    state = State(method.start(generator(0, "device"))).to(META)
    move(method, META)
    learned = {key: t.device for key, t in state.items() if t.dtype == torch.float32}
    with Read() as seen, Single():
        for phase in (0.0, *method.phases()) if method.trains else ():
            progress = Progress(math.ceil(phase * TOTAL), TOTAL)
            batch = [episodes(spec).to(META) for spec in specs]
            stepped, losses = method.step(state, progress, batch)
            state = State(stepped)
            numbers = all(isinstance(loss, float | torch.Tensor) for loss in losses.values())
            require(losses and numbers, f"step returned the losses {losses}; floats or tensors by name")
        waits = list(seen.waits)
        for key, device in learned.items():
            require(state[key].device == device, f"{key} is on {state[key].device} after a step")
        for key, t in state.items():
            require(
                t.dtype == torch.float32 or t.device.type == "cpu", f"{key} is bookkeeping and not on the CPU"
            )
        for spec, shots in product(specs, (1, 2)):
            _adapt_elsewhere(method, state, spec, shots)
    return waits


def _adapt_elsewhere(method: Method, state: State, spec: TaskSpec, shots: int) -> None:
    tasks = episodes(spec, shots).to(META)
    adapted = method.adapt(state, spec, tasks.support)
    probabilities = adapted.predict(tasks.query.x)
    require(
        probabilities.shape == (2, 4, 2) and probabilities.device == META,
        f"predictions are {tuple(probabilities.shape)} on {probabilities.device}",
    )
    for key, t in (adapted.arch or {}).items():
        require(t.device == META, f"adapted {key} is on {t.device}")
