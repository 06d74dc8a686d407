"""The outer state: parameters and the optimiser's memory, packed as named tensors for a checkpoint."""

from collections.abc import Sequence

import torch
from torch import Tensor

from metanas.meta.rule import UpdateRule
from metanas.method import State
from metanas.params import Params, like, tensors


def pack(params: Params, memory: Sequence[tuple[Tensor, ...]] = ()) -> State:
    """Names are weights/<name>, arch/<name>, and memory/<i>/<j> for what the outer rule remembers."""
    state = {f"weights/{name}": t.detach() for name, t in params.weights.items()}
    state |= {f"arch/{name}": t.detach() for name, t in params.arch.items()}
    for i, kept in enumerate(memory):
        state |= {f"memory/{i}/{j}": t.detach() for j, t in enumerate(kept)}
    return state


def params_of(state: State) -> Params:
    """The parameters in a state."""
    groups: dict[str, dict[str, Tensor]] = {"weights": {}, "arch": {}}
    for name, t in state.items():
        group, _, rest = name.partition("/")
        if group in groups:
            groups[group][rest] = t
    return Params(**groups)


def memory_of(state: State, count: int) -> list[tuple[Tensor, ...]]:
    """The outer rule's memory of `count` tensors."""
    memory: list[list[Tensor]] = [[] for _ in range(count)]
    for i in range(count):
        while (name := f"memory/{i}/{len(memory[i])}") in state:
            memory[i].append(state[name])
    return [tuple(kept) for kept in memory]


def begin(params: Params, rules: Sequence[UpdateRule]) -> State:
    """A state with fresh memory; one rule per tensor."""
    return pack(params, [rule.init(t) for rule, t in zip(rules, tensors(params), strict=True)])


def descend(state: State, gradients: Sequence[Tensor], rules: Sequence[UpdateRule]) -> State:
    """One outer step of a gradient rule."""
    params = params_of(state)
    values, memory = [], []
    kept = memory_of(state, len(gradients))
    for t, g, rule, old in zip(tensors(params), gradients, rules, kept, strict=True):
        value, new = rule.update(t, g, old)
        values.append(value)
        memory.append(new)
    return pack(like(params, values), memory)


def by_group(params: Params, weights: UpdateRule, arch: UpdateRule) -> list[UpdateRule]:
    """One rule per tensor from one per group."""
    return [weights] * len(params.weights) + [arch] * len(params.arch)


def mean(parts: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Mean over domains, tensor by tensor."""
    return [torch.stack(same).mean(0) for same in zip(*parts, strict=True)]
