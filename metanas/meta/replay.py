"""CUDA graphs: a gradient of one spec and shape is recorded once and replayed as a whole.

A second-order step on the supernet is tens of thousands of small kernels; launched one by one from Python
they take ten times as long as they run. A replay launches all of them at once, and several domains' replays
run side by side (`side_by_side`). The first call of a kind computes directly, the second one records. On
other devices than CUDA every call computes directly.
"""

import logging
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from metanas.data.episode import Batch, Episodes
from metanas.method import State
from metanas.params import Tensors

Gradient = Callable[[State, Episodes], tuple[Tensors, Tensor]]  # learned leaves, T tasks -> gradients, loss
MOST = 32  # recordings of a method; each keeps the memory of one gradient
_joined_later: ContextVar[list[torch.cuda.Stream] | None] = ContextVar("joined_later", default=None)


class Replay:
    """The recordings of one method. net: what its gradients run."""

    def __init__(self, net: nn.Module) -> None:
        self._net = [net]  # in a list: the network belongs to the method
        self._seen: set[Hashable] = set()
        self._recordings: dict[Hashable, _Recording | None] = {}  # None: it cannot be recorded

    def __call__(
        self, kind: Hashable, gradient: Gradient, learned: State, episodes: Episodes
    ) -> tuple[Tensors, Tensor]:
        """`gradient(learned, episodes)`; its results are valid until the next call of this kind and shape.

        kind: all that the gradient depends on, besides its arguments; None if what it computes depends on
        values that it reads back from the device, so that it cannot be replayed. Its results are detached.
        """
        if episodes.support.x.device.type != "cuda" or kind is None:
            return gradient(learned, episodes)
        key = (kind, episodes.spec, *(tuple(t.shape) for t in _tensors(episodes)))
        if key not in self._recordings and (key not in self._seen or len(self._recordings) >= MOST):
            self._seen.add(key)
            return gradient(learned, episodes)
        if key not in self._recordings:
            self._recordings[key] = _record(self._net[0], gradient, learned, episodes)
        recording = self._recordings[key]
        return gradient(learned, episodes) if recording is None else recording.replay(learned, episodes)


@contextmanager
def side_by_side() -> Iterator[None]:
    """Replays inside the block run at the same time; what follows the block waits for all of them."""
    streams: list[torch.cuda.Stream] = []
    token = _joined_later.set(streams)
    try:
        yield
    finally:
        _joined_later.reset(token)
        for stream in streams:
            torch.cuda.current_stream().wait_stream(stream)


def _record(net: nn.Module, gradient: Gradient, learned: State, episodes: Episodes) -> "_Recording | None":
    """A recording; None, with a warning, where one cannot be made (memory, a value that is read back)."""
    try:
        return _Recording(net, gradient, learned, episodes)
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        logging.getLogger("metanas").warning(
            "%s is not replayed as a CUDA graph: %s", episodes.spec.name, reason
        )
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        return None


class _Recording:
    """A recorded gradient with inputs of its own, which every replay overwrites."""

    def __init__(self, net: nn.Module, gradient: Gradient, learned: State, episodes: Episodes) -> None:
        self.read = list(net.buffers())  # constants; should the network be moved, these stay
        self.learned = State(
            {name: t.detach().clone().requires_grad_(t.requires_grad) for name, t in learned.items()}
        )
        self.episodes = _map(torch.clone, episodes)
        self.stream, self.graph = torch.cuda.Stream(), torch.cuda.CUDAGraph()
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            gradient(self.learned, self.episodes)  # libraries get their workspaces
        torch.cuda.synchronize()
        with torch.cuda.graph(self.graph, stream=self.stream, capture_error_mode="thread_local"):
            self.result = gradient(self.learned, self.episodes)

    @torch.no_grad()
    def replay(self, learned: State, episodes: Episodes) -> tuple[Tensors, Tensor]:
        """The result for these inputs, in tensors that the next replay overwrites."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            torch._foreach_copy_(list(self.learned.values()), [learned[name] for name in self.learned])
            for own, new in zip(_tensors(self.episodes), _tensors(episodes), strict=True):
                own.copy_(new, non_blocking=True)
            self.graph.replay()
        waiting = _joined_later.get()
        if waiting is None:
            torch.cuda.current_stream().wait_stream(self.stream)
        else:
            waiting.append(self.stream)
        return self.result


def _tensors(episodes: Episodes) -> list[Tensor]:
    classes = [] if episodes.classes is None else [episodes.classes]
    return [episodes.support.x, episodes.support.y, episodes.query.x, episodes.query.y, *classes]


def _map(function: Callable[[Tensor], Tensor], episodes: Episodes) -> Episodes:
    support, query = (Batch(function(b.x), function(b.y)) for b in (episodes.support, episodes.query))
    classes = None if episodes.classes is None else function(episodes.classes)
    return Episodes(episodes.spec, support, query, classes)
