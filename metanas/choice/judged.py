"""What meta-training tasks tell of the candidates: recorded losses, and the priors that follow from them.

Late in meta-training a method judges all candidates on tasks of its meta-batches: the leave-one-out loss on
one half of a task's examples, and the query loss on the other. The state keeps them as judged/loo/<domain>
and judged/query/<domain> (n, K), so a prior is never a number without the tasks it comes from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from metanas.choice.rules import WEIGHTS, fitted_weight
from metanas.data.episode import Batch, Episodes, TaskSpec
from metanas.meta.reptile import support_and_query
from metanas.method import State
from metanas.params import Tensors

SHOTS = 5  # of the support half, if there are so many examples


@dataclass(frozen=True)
class Judged:
    """The priors of K candidates: their mean losses on a domain's judged tasks and on all domains' (K,).

    weight: in tasks, of the domain's prior against a task's own evidence.
    """

    domain: Tensor
    shared: Tensor
    weight: float


def judged(state: State, spec: TaskSpec, specs: Sequence[TaskSpec], count: int) -> Judged:
    """The priors of the `count` candidates for tasks of `spec`; all are equal before the first judging.

    specs: of the domains in meta-training. A domain that was not judged gets the priors of its modality, or
    of all domains.
    """
    known = [other for other in specs if f"judged/loo/{other.name}" in state]
    if not known:
        return Judged(torch.zeros(count), torch.zeros(count), WEIGHTS[-1])
    alike = [other for other in known if other.modality == spec.modality] or known
    own = [other for other in known if other.name == spec.name] or alike

    def mean(domains: Sequence[TaskSpec]) -> Tensor:
        return torch.stack([state[f"judged/loo/{other.name}"].mean(0) for other in domains]).mean(0)

    weights = [
        fitted_weight(state[f"judged/loo/{other.name}"], state[f"judged/query/{other.name}"]) for other in own
    ]
    return Judged(mean(own).float(), mean(known).float(), max(weights))


def recorded(state: State, domain: str, loo: Tensor, query: Tensor, *, anew: bool) -> Tensors:
    """The judged losses of a domain with those of T more tasks (T, K). anew: forget the former ones."""
    found = {}
    for kind, rows in (("loo", loo), ("query", query)):
        name = f"judged/{kind}/{domain}"
        before = [] if anew or name not in state else [state[name]]
        found[name] = torch.cat([*before, rows.double()])
    return found


def halved(episodes: Episodes) -> tuple[Batch, Batch]:
    """All labelled examples of T meta-training tasks dealt anew: a support set and a query set.

    Every class has the same number of examples, n; the support set gets min(SHOTS, n // 2) of each.
    """
    everything = support_and_query(episodes)
    order = everything.y.argsort(dim=1, stable=True).unflatten(1, (episodes.spec.ways, -1))  # (T, ways, n)
    shots = min(SHOTS, order.shape[-1] // 2)
    task = torch.arange(len(order), device=order.device)[:, None]
    halves = (order[:, :, :shots].flatten(1), order[:, :, shots:].flatten(1))
    support, query = (Batch(everything.x[task, rows], everything.y[task, rows]) for rows in halves)
    return support, query
