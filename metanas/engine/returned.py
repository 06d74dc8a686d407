"""What a method's functions must return: a wrong value is named, with the function and what is right."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from metanas.base.errors import MetanasError
from metanas.data.episode import Batch
from metanas.method import Adapted, Method, Metrics, State


class ProtocolError(MetanasError):
    """A method broke a rule of training or evaluation."""


def started(method: Method, found: Any) -> State:
    """What `start` returned, as a state. ProtocolError unless it is tensors by name."""
    return _state(f"{_name(method)}.start returned", found)


def stepped(method: Method, found: Any) -> tuple[State, Metrics]:
    """What `step` returned: the new state and the losses. ProtocolError for anything else."""
    what = f"{_name(method)}.step returned"
    if not isinstance(found, tuple) or len(found) != 2:
        raise ProtocolError(f"{what} {_described(found)}; it returns (state, losses), both by name")
    state, losses = found
    if not isinstance(losses, Mapping) or not all(_is_number(value) for value in losses.values()):
        raise ProtocolError(
            f"{what} {_described(losses)} as losses; they are numbers by name, such as 'loss'"
        )
    return _state(f"{what} as state", state), losses


def adapted(method: Method, found: Any) -> Adapted:
    """What `adapt` returned. ProtocolError unless it is an `Adapted`."""
    if not isinstance(found, Adapted):
        raise ProtocolError(
            f"{_name(method)}.adapt returned {_described(found)}; it returns metanas.Adapted(predict)"
        )
    return found


def predicted(found: Any, query: Batch, ways: int) -> Tensor:
    """What `predict` returned (T, Q, ways). ProtocolError for another type or shape."""
    right = (*query.y.shape, ways)
    if not isinstance(found, Tensor):
        raise ProtocolError(f"predict returned {_described(found)}; it returns a tensor {right}")
    if found.shape != right:
        raise ProtocolError(
            f"predict returned shape {tuple(found.shape)}; {right} is right: tasks, queries, ways"
        )
    return found


def _state(what: str, found: Any) -> State:
    if not isinstance(found, Mapping):
        raise ProtocolError(f"{what} {_described(found)}; it is a metanas.State: tensors by name")
    if wrong := [name for name, value in found.items() if not isinstance(value, Tensor)]:
        raise ProtocolError(f"{what} {_described(found[wrong[0]])} as {wrong[0]!r}; all of it is tensors")
    return State(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or isinstance(value, Tensor) and value.numel() == 1


def _name(method: Method) -> str:
    return type(method).__name__


def _described(value: Any) -> str:
    """The type of a value, in a few words."""
    return "None" if value is None else f"a {type(value).__name__}"
