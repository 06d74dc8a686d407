"""Where a run computes: the device and the precision, what is moved there, and what a result says of it.

Nothing else in the package names a device. A method is started on the CPU, so that every device begins with
the same numbers; then its networks' buffers, the learner's state and the task batches are moved. Device and
precision belong to a result's environment, never to its track. On one device and version of torch the same
seed gives the same bytes.
"""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import nn

from metanas.base import distributed
from metanas.base.errors import InvalidValue
from metanas.base.executor import Kind
from metanas.engine import returned
from metanas.method import Method, State

Precision = Literal["float32", "tf32", "bf16"]
DEVICES = "auto, cpu, cuda, cuda:N or mps"


@dataclass(frozen=True)
class Runtime:
    """device: auto (CUDA where there is a card, else the CPU), cpu, cuda, cuda:N or mps.

    precision: of matrix products and convolutions. tf32 rounds their inputs to 10 bits on NVIDIA cards, bf16
    computes them in bfloat16; parameters are float32. InvalidValue for a device that this machine lacks, or a
    precision that the device lacks.
    """

    device: str = "cpu"
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        if self.precision not in get_args(Precision):
            raise InvalidValue(
                f"precision must be {', '.join(get_args(Precision))}, got {str(self.precision)!r}"
            )
        kind = self.place.type
        if self.precision == "tf32" and kind != "cuda":
            raise InvalidValue(f"precision tf32 is of NVIDIA cards, got device {kind}; use float32")
        if self.precision == "bf16" and kind == "mps":
            raise InvalidValue("precision bf16 is of cuda and cpu, got device mps; use float32")

    @property
    def place(self) -> torch.device:
        """The device that `device` names on this machine."""
        name, _, number = self.device.partition(":")
        cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if name == "auto" and not number:
            return self._own_card(cards) if cards else torch.device("cpu")
        if name == "cuda" and (not number or number.isdecimal()):
            if not cards:
                raise InvalidValue("device cuda: torch sees no NVIDIA card on this machine; use cpu")
            if int(number or 0) >= cards:
                raise InvalidValue(f"device {self.device}: there are {cards} cards, numbered from 0")
            return torch.device("cuda", int(number)) if number else self._own_card(cards)
        if self.device == "mps":
            if not torch.backends.mps.is_available():
                raise InvalidValue("device mps: torch sees no Apple GPU on this machine; use cpu")
            return torch.device("mps")
        if self.device == "cpu":
            return torch.device("cpu")
        raise InvalidValue(f"device must be {DEVICES}, got {self.device!r}")

    def _own_card(self, cards: int) -> torch.device:
        """The first card; under torchrun each process has its own."""
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) % cards)

    def shared(self, count: int, kind: Kind = "local") -> list["Runtime"]:
        """For each of so many pieces of work: several cards take them in turn, unless one was asked for.

        kind: of `executor.run`. Ray keeps a card for every piece, which sees no other one, so InvalidValue
        for a number.
        """
        cards = torch.cuda.device_count() if self.place.type == "cuda" else 0
        if kind == "ray" and cards and ":" in self.device:
            raise InvalidValue(f"device {self.device}: Ray chooses the card of each piece; give cuda")
        if kind == "ray" or ":" in self.device or cards < 2 or distributed.world_size() > 1:
            return [self] * count
        return [replace(self, device=f"cuda:{number % cards}") for number in range(count)]

    @contextmanager
    def active(self) -> Iterator[torch.device]:
        """Inside the block torch computes as this runtime asks; a card's peak of memory begins anew."""
        place = self.place
        if place.type == "cuda":
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only so
            torch.cuda.set_device(place)
            torch.cuda.reset_peak_memory_stats()
        with _cuda_flags(tf32=self.precision == "tf32") if place.type == "cuda" else nullcontext():
            with self._autocast(place):
                yield place

    def _autocast(self, place: torch.device) -> AbstractContextManager[object]:
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(place.type, torch.bfloat16, cache_enabled=False)

    def start(self, method: Method, generator: torch.Generator) -> State:
        """A method's state before meta-training, on the device; its networks are moved there, too."""
        move(method, torch.device("cpu"))
        state = returned.started(method, method.start(generator))
        return self.take(method, state)

    def take(self, method: Method, state: State) -> State:
        """A state, from whatever device it was saved on, and the method's networks on this device."""
        move(method, self.place)
        return State(state).to(self.place)

    def describe(self, before: Sequence[str] = ()) -> dict[str, str]:
        """What a result's environment says of the device.

        before: the devices, by name, that worked on it before this one.
        """
        place = self.place
        devices = dict.fromkeys((*before, name_of(place)))
        about = {"device": "; ".join(devices), "precision": self.precision}
        if place.type == "cuda":
            about["driver"] = driver()
            if peak := torch.cuda.max_memory_allocated(place):  # 0: another process computed
                about["device memory"] = f"peak {peak / 2**20:,.0f} MiB"
        return about


CPU = Runtime()
PLAIN = {"device": "cpu", "precision": "float32"}  # what is not written into costs.json and pieces of tables


def joined(parts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """What `describe` says of several pieces of work as one: what differs is joined by semicolons."""
    texts: dict[str, list[str]] = {}
    for part in parts:
        for key, text in part.items():
            texts.setdefault(key, []).extend(text.split("; "))
    return {key: "; ".join(dict.fromkeys(found)) for key, found in texts.items()}


def name_of(device: torch.device) -> str:
    """A device's kind and, of a card, its name: cuda (NVIDIA H100 80GB HBM3)."""
    if device.type != "cuda":
        return device.type
    return f"cuda ({torch.cuda.get_device_name(device)})"


def driver() -> str:
    """The NVIDIA driver's version, and CUDA's that torch was built with."""
    from pathlib import Path

    path = Path("/proc/driver/nvidia/version")
    words = path.read_text().split() if path.exists() else []
    version = next((word for word in words if word.count(".") >= 1 and word[0].isdigit()), "unknown")
    return f"{version}, CUDA {torch.version.cuda}"


def move(method: Method, device: torch.device) -> None:
    """Move the networks that a method holds: their buffers; parameters travel as values."""
    for value in vars(method).values():
        if isinstance(value, nn.Module):
            value.to(device)


@contextmanager
def _cuda_flags(*, tf32: bool) -> Iterator[None]:
    """Deterministic algorithms, and TF32 or not, inside the block."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    products = torch.get_float32_matmul_precision()
    convolutions = _cudnn_tf32()
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    _cudnn_tf32(tf32)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        torch.set_float32_matmul_precision(products)
        _cudnn_tf32(convolutions)


def _cudnn_tf32(wanted: bool | None = None) -> bool:
    """Whether cuDNN's convolutions may use TF32; sets it if `wanted` says so."""
    backend: Any = torch.backends.cudnn
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer versions of torch prefer another name for it
        before = bool(backend.allow_tf32)
        if wanted is not None:
            backend.allow_tf32 = wanted
    return before
