"""Rules choose what they say, and the learned weight tells evidence from noise."""

import torch

from metanas.choice.evidence import mean_loss, prototype_loo
from metanas.choice.judged import judged, recorded
from metanas.choice.rules import RULES, WEIGHTS, Features, Known, choose, fitted_weight
from metanas.data.episode import TaskSpec
from metanas.method import State

EVIDENCE = torch.tensor([[0.9, 0.5, 0.6], [0.2, 0.8, 0.3]])
DOMAIN, SHARED = torch.tensor([0.5, 0.4, 0.1]), torch.tensor([0.1, 0.2, 0.3])


def known(evidence: torch.Tensor | None = EVIDENCE, weight: float = 1.0) -> Known:
    return Known(evidence, DOMAIN, SHARED, weight, 2, torch.Generator().manual_seed(0))


def test_each_rule() -> None:
    assert choose("task", known()).tolist() == [1, 0]
    assert choose("domain", known()).tolist() == [2, 2]
    assert choose("shared", known()).tolist() == [0, 0]
    assert choose("hierarchical", known(weight=0)).tolist() == [1, 0]
    assert choose("hierarchical", known(weight=1)).tolist() == [2, 2]
    assert choose("hierarchical", known(weight=0.1)).tolist() == [1, 0]
    draws = torch.cat([choose("random", known()._replace(tasks=3000)) for _ in range(1)])
    assert torch.bincount(draws, minlength=3).min() > 900


def test_without_evidence_the_domain_decides() -> None:
    for rule in ("task", "hierarchical", "gradient"):
        assert choose(rule, known(None)).tolist() == [2, 2]
    assert set(RULES) == {"hierarchical", "task", "gradient", "domain", "shared", "random"}


def test_the_gradient_finds_the_features_that_tell_the_classes() -> None:
    y = torch.arange(2).repeat_interleave(4).expand(3, -1)
    noise = torch.randn(5, 3, 8, 6, generator=torch.Generator().manual_seed(0))
    told = torch.nn.functional.one_hot(y, 6).float()
    best = torch.tensor([4, 0, 2])
    values = noise.clone()
    for task, k in enumerate(best.tolist()):
        values[k, task] = 4 * told[task] + 0.1 * noise[k, task]
    features = Features(values, lambda f: mean_loss(prototype_loo(f, y, 2, 8.0), y))
    assert choose("gradient", known()._replace(features=features, tasks=3)).tolist() == best.tolist()
    evidence = mean_loss(prototype_loo(values, y, 2, 8.0), y).T
    assert choose("task", known(evidence)._replace(tasks=3)).tolist() == best.tolist()


def test_the_weight_follows_what_evidence_is_worth() -> None:
    generator = torch.Generator().manual_seed(1)
    truth = torch.randn(60, 6, generator=generator)  # every task has a best candidate of its own
    assert fitted_weight(truth + 0.05 * torch.randn(60, 6, generator=generator), truth) < 1
    alike = torch.arange(6.0).expand(60, 6) * 0.1  # the domain has one, and evidence is mostly noise
    assert fitted_weight(alike + torch.randn(60, 6, generator=generator), alike) >= 8
    assert fitted_weight(truth[:1], truth[:1]) == WEIGHTS[-1]


def test_priors_of_domains_that_were_judged_and_not() -> None:
    specs = [TaskSpec(n, m, (4,), 2) for n, m in (("a", "text"), ("b", "text"), ("c", "speech"))]
    state = State({})
    assert judged(state, specs[0], specs, 3).domain.tolist() == [0, 0, 0]
    for name, losses in (("a", [1.0, 2.0, 3.0]), ("c", [3.0, 2.0, 0.0])):
        rows = torch.tensor([losses, losses])
        state |= recorded(name, rows, rows)
    assert judged(state, specs[0], specs, 3).domain.tolist() == [1, 2, 3]
    assert judged(state, specs[1], specs, 3).domain.tolist() == [1, 2, 3]  # the other text
    assert judged(state, specs[2], specs, 3).shared.tolist() == [2, 2, 1.5]
