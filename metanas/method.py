"""The interface of a method (`start`, `step`, `adapt`), the learner's state, and the registry of methods.

A method does not own the training loop. It defines the initial state, one meta-training iteration, and the
adaptation to a task; `engine/trainer.py` runs, checkpoints and resumes the iterations in the same way for all
methods, and `engine/predict.py` asks for predictions. Query labels of test episodes never reach a method:
`adapt` gets a support set, `Adapted.predict` gets query inputs. Importing this module does not import torch.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from metanas.base.registry import Registry
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.params import Params, Tensors, group_of, own_arch

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import Tensor

Metrics = Mapping[str, "float | Tensor"]  # a loss on an accelerator stays a tensor (): reading it waits


class State(Mapping[str, "Tensor"]):
    """The state of a learner, learned tensors and optimizer moments: an immutable, ordered mapping by name.

    Every name begins with its group: weights/<name> (network parameters), arch/<name> (architecture logits),
    rates/<name> (learned inner learning rates), memory/<j>/<name> (an optimizer's j-th moment), and groups of
    a method's own, such as classifier/<domain>. A checkpoint stores exactly these names.

    What is learned in float32 lies on the learner's device. Integers and float64 are for bookkeeping (seeds,
    histories, the step count of Adam) and stay on the CPU, where reading them costs nothing.
    """

    def __init__(self, tensors: "Mapping[str, Tensor]") -> None:
        self._tensors = dict(tensors)

    def __getitem__(self, name: str) -> "Tensor":
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __or__(self, other: "Mapping[str, Tensor]") -> "State":
        """A new state in which `other` replaces or adds tensors."""
        return State({**self._tensors, **other})

    @property
    def device(self) -> "torch.device":
        """Where what is learned lies; the CPU for a state without any."""
        import torch

        devices = [t.device for t in self._tensors.values() if t.device.type != "cpu"]
        return devices[0] if devices else torch.device("cpu")

    def to(self, device: "torch.device") -> "State":
        """The same state with what is learned on a device."""
        return State({name: t.to(device) if _is_learned(t) else t.cpu() for name, t in self.items()})

    def group(self, name: str) -> Tensors:
        """The tensors of a group by their names without it, sorted: a checkpoint may change the order."""
        return {key.partition("/")[2]: self[key] for key in sorted(self) if group_of(key) == name}

    @property
    def params(self) -> Params:
        """Network parameters and architecture logits."""
        return Params(self.group("weights"), self.group("arch"))

    @property
    def rates(self) -> Tensors:
        """Learned inner learning rates."""
        return self.group("rates")

    def probabilities(self, level: str) -> "dict[str, NDArray[np.float64]]":
        """The softmax of a domain's or modality's architecture logits, by group."""
        logits = own_arch(self.group("arch"), level)
        return {name: t.cpu().double().softmax(-1).numpy(force=True) for name, t in logits.items()}

    def moments(self, name: str) -> "tuple[Tensor, ...]":
        """The optimizer's moments of the tensor `name` ("weights/..."); empty before its first step."""
        moments: list[Tensor] = []
        while (key := f"memory/{len(moments)}/{name}") in self._tensors:
            moments.append(self._tensors[key])
        return tuple(moments)

    def learned(self) -> Tensors:
        """All tensors but the optimizer moments: what a method brings to a test task."""
        return {name: t for name, t in self.items() if group_of(name) != "memory"}


def _is_learned(t: "Tensor") -> bool:
    """Whether a tensor of a state belongs on the learner's device."""
    return t.is_floating_point() and t.element_size() < 8


@dataclass(frozen=True)
class Adapted:
    """The result of adapting to T tasks.

    predict: query inputs (T, Q, *input_shape) to class probabilities (T, Q, ways).
    arch: adapted architecture logits (T, ...), None for a method without an architecture.
    weights: adapted network parameters (T, ...), where a derived architecture may inherit them.
    """

    predict: Callable[["Tensor"], "Tensor"]
    arch: Tensors | None = None
    weights: Tensors | None = None


@dataclass(frozen=True)
class Progress:
    """The position in meta-training: `iteration` (from 0) of `total` iterations."""

    iteration: int
    total: int

    @property
    def remaining(self) -> float:
        """The fraction of iterations left, from 1 down to 0: the factor of a linear schedule."""
        return 1 - self.iteration / max(self.total, 1)


class Method(Protocol):
    """A meta-learning method. `Settings` is a frozen dataclass of its hyperparameters, all with defaults."""

    # what settings meant in runs that were stored before they existed, where that is not their default now
    before: ClassVar[Mapping[str, Any]] = {}
    transductive: bool  # whether predictions may depend on the other queries; may follow from the settings
    trains: ClassVar[bool]  # False: no meta-training, `step` is never called
    Settings: ClassVar[type[Any]]

    def __init__(self, specs: Sequence[TaskSpec], settings: Any) -> None:
        """specs: inputs and ways of the tasks, one per domain of the suite. settings: a `Settings`."""
        ...

    def start(self, generator: "torch.Generator") -> State:
        """The state before meta-training; all randomness comes from `generator`."""
        ...

    def step(self, state: State, progress: Progress, batch: Sequence[Episodes]) -> tuple[State, Metrics]:
        """One meta-training iteration on a meta-batch; returns the new state and losses by name.

        batch: one `Episodes` of T tasks per domain, with x (T, B, *input_shape) and y (T, B).
        """
        ...

    def phases(self) -> Sequence[float]:
        """Fractions of meta-training, ascending, at which the cost of an iteration changes; mostly none."""
        return ()

    def may_select(self, state: State) -> Sequence[State]:
        """States that select what a later phase might train, of which a FLOP budget pays for the dearest.

        As here none: what iterations cost does not depend on what was learned.
        """
        return ()

    def selects_at(self) -> Sequence[float]:
        """Fractions of meta-training at which `select` is also called, between iterations; mostly none."""
        return ()

    def select(self, state: State, tasks: Sequence[Episodes]) -> State:
        """What the method chooses on meta-validation tasks after meta-training; as here, nothing.

        tasks: T labelled tasks of every domain that has meta-validation classes. They are the same for all
        methods and seeds, and none of those that `metanas tune` and early stopping score on.
        """
        return state

    def adapt(self, state: State, spec: TaskSpec, support: Batch) -> Adapted:
        """Adapt to T tasks, to each from its own support set alone.

        support: x (T, ways * shots, *input_shape) and y (T, ways * shots).
        """
        ...

    def adapt_with(self, state: State, spec: TaskSpec, support: Batch, arch: Tensors) -> Adapted | None:
        """Adapt everything but the architecture, which is given; as many steps as `adapt` takes.

        arch: hard logits (T, ...) by group, as `Adapted.arch` names them: 0 for the chosen candidates, -1e4
        for the rest (`space/decoding.py`). None, as here: nothing is asked, since a method has no
        architecture of its own, or a fixed one. With it an evaluation asks what the choice is worth
        (`engine/controls.py`).
        """
        return None

    def fixed_archs(self, state: State, spec: TaskSpec) -> Mapping[str, Tensors]:
        """The architectures that the method would take without having seen a task: hard logits without T.

        "shared": one for all domains. "domain": the one for tasks of this `spec`, where it has such a thing.
        Empty, as here, where nothing was learned.
        """
        return {}

    def candidate_archs(self, state: State, spec: TaskSpec) -> Sequence[Tensors]:
        """The architectures among which `adapt` chooses one for a task of this `spec`: hard logits without T.

        With them an evaluation can ask what the best choice in hindsight would have got
        (`engine/candidates.py`). Empty, as here, where the choice is not one of a list.
        """
        return ()


METHODS: "Registry[type[Method]]" = Registry(
    "method",
    "METHODS",
    ("baselines",),
    "metanas.methods",
    like="metanas.method.Method",
    needs=("trains", "Settings", *(name for name in vars(Method) if not name.startswith("_"))),
)
