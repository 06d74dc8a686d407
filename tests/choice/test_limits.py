"""A limit on the cost of a task's network: the same from one trained state as from the settings."""

from dataclasses import replace
from html import unescape

import pytest
import torch

from baselines.loo_nas import LooNas
from metanas.base.seeding import generator
from metanas.choice.judged import recorded
from metanas.choice.rules import RULES, RuleName
from metanas.data.episode import Batch
from metanas.evaluation.charts.budget import budgets
from metanas.method import State
from metanas.models.macs import macs
from tests import tiny
from tests.benchmarks import macs_limits

SETTINGS = LooNas.Settings(space=replace(tiny.SPACE, sampling="uniform"), count=12, judgements=1)


def trained(method: LooNas) -> State:
    """Random weights, and random losses of judged tasks."""
    noise = generator(1, "limits")
    loo, query = (torch.rand(6, 12, generator=noise) for _ in range(2))
    return State(method.start(generator(0, "limits")) | recorded(tiny.SPEC.name, loo, query))


@pytest.mark.parametrize("rule", RULES)
def test_a_limit_given_to_a_choice_is_that_of_the_settings(rule: RuleName) -> None:
    free, given = LooNas([tiny.SPEC], SETTINGS), tiny.episodes(5).support
    state, support = trained(free), Batch(given.x.float(), given.y)
    costs = [macs(architecture, tiny.SPEC) for architecture in free.candidates]
    for limit in sorted(set(costs)):
        bound = LooNas([tiny.SPEC], replace(SETTINGS, macs=float(limit)))
        chosen = free.choose(state, tiny.SPEC, support, rule, macs=limit)
        assert torch.equal(chosen, bound.choose(state, tiny.SPEC, support, rule))
        assert max(costs[number] for number in chosen.tolist()) <= limit
        assert len(bound.candidate_archs(state, tiny.SPEC)) == sum(cost <= limit for cost in costs)
    assert torch.equal(chosen, free.choose(state, tiny.SPEC, support, rule))


def test_a_limit_that_nothing_fits_says_what_the_cheapest_costs() -> None:
    method = LooNas([tiny.SPEC], SETTINGS)
    with pytest.raises(ValueError, match="no candidate costs at most 1 MACs on .*; the cheapest"):
        method.choose(trained(method), tiny.SPEC, tiny.episodes(1).support, macs=1)


def test_the_picture_in_the_docs_is_that_of_the_kept_results() -> None:
    words = budgets(macs_limits.TITLE, macs_limits.spent(), "MACs per query")["description"]
    assert f"<desc>{words}</desc>" in unescape(macs_limits.PICTURE.read_text(encoding="utf-8"))
