"""What meta-validation tasks tell of the candidates: recorded losses, and the priors that follow from them.

After meta-training a method judges all candidates on labelled meta-validation tasks (`Method.select`): the
leave-one-out loss on the support set, and the query loss. The state keeps them as judged/loo/<domain> and
judged/query/<domain> (n, K), so a prior is never a number without the tasks it comes from, and the scale of
the logits at which they were taken as judged/scale/<domain> (K,) (`calibration.py`). Meta-training
tasks would not do: the weights fit their classes so well that all candidates' losses are near 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metanas.choice.rules import WEIGHTS, fitted_weight
from metanas.data.episode import TaskSpec
from metanas.method import State
from metanas.params import Tensors


@dataclass(frozen=True)
class Judged:
    """The priors of K candidates: their mean losses on a domain's judged tasks and on all domains' (K,).

    weight: in tasks, of the domain's prior against a task's own evidence. scales (K,): of each candidate's
    logits on the domain's tasks.
    """

    domain: Tensor
    shared: Tensor
    weight: float
    scales: Tensor


def judged(state: State, spec: TaskSpec, specs: Sequence[TaskSpec], count: int) -> Judged:
    """The priors of the `count` candidates for tasks of `spec`; all are equal before they are judged.

    specs: of the domains in meta-training. A domain that was not judged gets the priors of its modality, or
    of all domains.
    """
    known = [other for other in specs if f"judged/loo/{other.name}" in state]
    if not known:
        return Judged(torch.zeros(count), torch.zeros(count), WEIGHTS[-1], torch.ones(count))
    alike = [other for other in known if other.modality == spec.modality] or known
    own = [other for other in known if other.name == spec.name] or alike

    def mean(domains: Sequence[TaskSpec]) -> Tensor:
        return torch.stack([state[f"judged/loo/{other.name}"].mean(0) for other in domains]).mean(0)

    weights = [
        fitted_weight(state[f"judged/loo/{other.name}"], state[f"judged/query/{other.name}"]) for other in own
    ]
    scales = [state.get(f"judged/scale/{other.name}", torch.ones(count)).cpu().double() for other in own]
    scale = torch.stack(scales).log().mean(0).exp()
    return Judged(mean(own).float(), mean(known).float(), max(weights), scale.float())


def recorded(domain: str, loo: Tensor, query: Tensor, scales: Tensor | None = None) -> Tensors:
    """The judged losses (n, K) of a domain, and the scales (K,) that they were taken at, for a state."""
    found = {f"judged/loo/{domain}": loo.cpu().double(), f"judged/query/{domain}": query.cpu().double()}
    return found if scales is None else found | {f"judged/scale/{domain}": scales.cpu().double()}
