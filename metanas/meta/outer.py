"""The outer state: what is learned and the optimiser's memory, as named tensors for a checkpoint."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from metanas.episode import Episodes
from metanas.meta.rule import UpdateRule, clipped
from metanas.method import Metrics, State
from metanas.parallel import averaged
from metanas.params import Params, Tensors, named


def pack(params: Params, rates: Mapping[str, Tensor] | None = None) -> State:
    """Names are weights/<name>, arch/<name>, rates/<name>; memory/<j>/<name> is what a rule remembers."""
    everything = named(params) | {f"rates/{name}": t for name, t in (rates or {}).items()}
    return {name: t.detach() for name, t in everything.items()}


def group(state: State, name: str) -> Tensors:
    """The tensors below a group's name, sorted: a checkpoint gives them back in another order."""
    return {key.partition("/")[2]: state[key] for key in sorted(state) if key.partition("/")[0] == name}


def params_of(state: State) -> Params:
    """The parameters in a state."""
    return Params(group(state, "weights"), group(state, "arch"))


def descend(state: State, gradients: Mapping[str, Tensor], rule: Callable[[str], UpdateRule]) -> State:
    """One outer step of a gradient rule; what has no gradient stays as it is."""
    new = dict(state)
    for name, g in gradients.items():
        update = rule(name)
        known: list[Tensor] = []
        while (key := f"memory/{len(known)}/{name}") in state:
            known.append(state[key])
        value, memory = update.update(state[name], g, tuple(known) or update.init(state[name]))
        new[name] = value.detach()
        new |= {f"memory/{j}/{name}": t.detach() for j, t in enumerate(memory)}
    return new


def over_domains(
    batch: Sequence[Episodes],
    gradient: Callable[[Episodes], tuple[Tensors, float]],
    *,
    limit: float,
    whole: bool = False,
) -> tuple[Tensors, Metrics]:
    """The mean gradient over domains, clipped to norm `limit` (infinity: not), and each one's loss.

    whole: the gradient of a domain's tasks is not the mean of each one's, so processes do not share them.
    """
    parts, losses = averaged(batch, gradient, whole=whole)
    names = list(dict.fromkeys(name for part in parts for name in part))
    total = [
        torch.stack([part[name] for part in parts if name in part]).sum(0) / len(parts) for name in names
    ]
    total = total if math.isinf(limit) else clipped(total, limit)
    return dict(zip(names, total, strict=True)), losses
