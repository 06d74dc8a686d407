"""Inner-loop optimizer moments that carry over from task to task, as in the code of Reptile's paper.

In Nichol et al. (2018) Adam's moments run on while each task's weights start anew, in meta-training and at
test. With moments of many tasks a step is longer where the gradient is larger; with moments that start anew,
the first steps are little more than the gradient's sign times the rate. Where we differ: the paper's tasks
come one after the other and ours side by side, so all tasks of a meta-batch begin with the same moments, and
the state keeps the mean of theirs, as for the weights.
"""

import torch

from metanas.meta.inner import Memory, StepPolicy
from metanas.method import State
from metanas.params import Params, Tensors, group_of, named_tensors


def is_moment(name: str) -> bool:
    """Whether a tensor of a state is an optimizer's moment."""
    return group_of(name) == "memory"


def init_moments(params: Params, policy: StepPolicy) -> State:
    """The moments before the first step, named memory/<j>/<name>; params without a task dimension."""
    pairs = zip(named_tensors(params).items(), policy.for_step(params, 0), strict=True)
    states = [(name, optimizer.init(t)) for (name, t), optimizer in pairs if optimizer is not None]
    return State({f"memory/{j}/{name}": t for name, moments in states for j, t in enumerate(moments)})


def load_moments(state: State, params: Params, tasks: int) -> Memory:
    """The moments (T, ...) that each of T tasks begins with, by the index of their tensor in `tensors`.

    Empty where the state has none. Scalars, such as a step count, are shared by the tasks.
    """
    moments, memory = state.group("memory"), {}
    for index, name in enumerate(named_tensors(params)):
        own = [moments[key] for j in range(len(moments)) if (key := f"{j}/{name}") in moments]
        if own:
            memory[index] = tuple(t.expand(tasks, *t.shape) if t.ndim else t for t in own)
    return memory


def update_moments(state: State, params: Params, memory: Memory) -> Tensors:
    """Mean over tasks of (moments in `memory` - moments of the state), by name; 0 where nothing moved."""
    changes = {name: torch.zeros_like(t) for name, t in state.items() if is_moment(name)}
    for index, name in enumerate(named_tensors(params)):
        for j, t in enumerate(memory.get(index, ())):
            if (key := f"memory/{j}/{name}") in changes:
                change = t - state[key]
                changes[key] = change.mean(0) if change.ndim > state[key].ndim else change
    return changes
