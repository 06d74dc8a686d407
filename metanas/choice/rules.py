"""Rules: from what is known of the candidates to the one that a task gets. All have the same interface.

What is known (`Known`): the task's own evidence, the leave-one-out loss of each candidate on its support set
(`evidence.py`); and two priors, the mean loss of each candidate over judged meta-validation tasks of the
domain, and of all domains. Lower is better throughout.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

RuleName = Literal["hierarchical", "task", "gradient", "domain", "shared", "random"]
RULES: tuple[RuleName, ...] = get_args(RuleName)
NEEDS_EVIDENCE = ("hierarchical", "task", "gradient")  # the rules that look at a task's support set
WEIGHTS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 1e3)  # tried by `fitted_weight`; the last: the prior alone


class Features(NamedTuple):
    """Support features (K, T, B, F) under each candidate, and their leave-one-out loss.

    loss: features (T, B, F) of T tasks to (T,).
    """

    values: Tensor
    loss: Callable[[Tensor], Tensor]


class Known(NamedTuple):
    """What a rule may look at, for T tasks of one domain and K candidates.

    evidence: (T, K), or None at one shot. domain, shared: (K,), the priors. weight: of the domain's prior,
    in tasks: how many tasks' evidence it counts for. features: None at one shot.
    """

    evidence: Tensor | None
    domain: Tensor
    shared: Tensor
    weight: float
    tasks: int
    generator: torch.Generator
    features: Features | None = None


def choose(rule: RuleName, known: Known) -> Tensor:
    """The number of each task's candidate (T,)."""
    return _RULES[rule](known)


def hierarchical(known: Known) -> Tensor:
    """The least sum of the task's own loss and `weight` times the domain's; the domain's at one shot.

    With Gaussian errors this is the posterior mode of a hierarchical model: the domain's mean is the prior of
    a task's (Gelman et al., Bayesian Data Analysis, sec. 5.4).
    """
    if known.evidence is None:
        return domain(known)
    return (known.evidence + known.weight * known.domain).argmin(-1)


def task(known: Known) -> Tensor:
    """The least loss on the task itself; the domain's at one shot."""
    return domain(known) if known.evidence is None else known.evidence.argmin(-1)


def gradient(known: Known, steps: int = 15, rate: float = 2.0) -> Tensor:
    """The strongest candidate of a mixture of features, after steps on its leave-one-out loss.

    Exponentiated gradient from equal weights (Kivinen and Warmuth, 1997; GAEA, Li et al., 2021): the
    differentiable counterpart of `task`, which judges each candidate alone. The mixture's loss is taken at
    temperature 1.
    """
    if known.features is None:
        return domain(known)
    values, loss = known.features
    logits = values.new_zeros(values.shape[1], values.shape[0])  # (T, K)
    for _ in range(steps):
        weights = logits.softmax(-1).requires_grad_()
        (slope,) = torch.autograd.grad(loss(torch.einsum("tk,ktbf->tbf", weights, values)).sum(), weights)
        logits = logits - rate * slope
    return logits.argmax(-1).cpu()


def domain(known: Known) -> Tensor:
    """The domain's best candidate, for all its tasks."""
    return known.domain.argmin().expand(known.tasks)


def shared(known: Known) -> Tensor:
    """The best candidate over all domains, for every task."""
    return known.shared.argmin().expand(known.tasks)


def random(known: Known) -> Tensor:
    """A uniformly drawn candidate for every task."""
    return torch.randint(len(known.domain), (known.tasks,), generator=known.generator)


_RULES: Mapping[RuleName, Callable[[Known], Tensor]] = {
    "hierarchical": hierarchical,
    "task": task,
    "gradient": gradient,
    "domain": domain,
    "shared": shared,
    "random": random,
}


def fitted_weight(evidence: Tensor, outcome: Tensor) -> float:
    """How much the domain's prior should weigh, from judged tasks: evidence (n, K) and query losses (n, K).

    For each weight of WEIGHTS every task chooses by its own evidence and the mean evidence of the *other*
    tasks; the weight whose choices have the least mean query loss wins, the largest among equals. Where
    candidates hardly differ, a task's own evidence is noise and the prior wins.
    """
    n = len(evidence)
    if n < 2:
        return WEIGHTS[-1]
    others = (evidence.sum(0) - evidence) / (n - 1)
    losses = [
        float(outcome.gather(1, (evidence + weight * others).argmin(1, keepdim=True)).mean())
        for weight in WEIGHTS
    ]
    return max(weight for weight, loss in zip(WEIGHTS, losses, strict=True) if loss <= min(losses) + 1e-9)
