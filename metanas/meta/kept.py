"""What the inner rules remember stays from task to task: Adam's moments, in the code of Reptile's paper.

Nichol et al. (2018) let the moments run on where each task's weights start anew, in training and at test.
With moments of many tasks a step is longer where the gradient is larger; with moments that start anew, the
first steps are little more than the gradient's sign times the rate. Where we differ: the paper's tasks come
one after the other and ours side by side, so each task of a batch begins with the same moments, and what is
kept is their mean, as for the weights.
"""

import torch

from metanas.meta.inner import Memory, Stepper
from metanas.meta.outer import group
from metanas.method import State
from metanas.params import Params, Tensors, named


def is_kept(name: str) -> bool:
    """Whether a tensor of a state is a rule's memory."""
    return name.startswith("memory/")


def nothing_yet(params: Params, rules: Stepper) -> State:
    """memory/<j>/<name>, before the first step."""
    pairs = zip(named(params).items(), rules.at(params, 0), strict=True)
    parts = [(name, rule.init(t)) for (name, t), rule in pairs if rule is not None]
    return {f"memory/{j}/{name}": t for name, memory in parts for j, t in enumerate(memory)}


def recalled(state: State, params: Params, tasks: int) -> Memory:
    """What each of T tasks begins with, by a tensor's place; empty where the state keeps nothing."""
    kept, found = group(state, "memory"), {}
    for place, name in enumerate(named(params)):
        parts = [kept[key] for j in range(len(kept)) if (key := f"{j}/{name}") in kept]
        if parts:
            found[place] = tuple(t.expand(tasks, *t.shape) if t.ndim else t for t in parts)
    return found


def gained(state: State, params: Params, memory: Memory) -> Tensors:
    """Mean over tasks of what `memory` has more than the state keeps, by its name there; 0 without moves."""
    found = {name: torch.zeros_like(t) for name, t in state.items() if is_kept(name)}
    for place, name in enumerate(named(params)):
        for j, t in enumerate(memory.get(place, ())):
            if (key := f"memory/{j}/{name}") in found:
                gain = t - state[key]
                found[key] = gain.mean(0) if gain.ndim > state[key].ndim else gain
    return found
