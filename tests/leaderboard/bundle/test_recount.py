"""Costs recounted from architecture.json, against the count of the networks themselves."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from leaderboard.bundle import domain_cards
from leaderboard.bundle.recount import Recount, recount
from leaderboard.bundle.scores import Scored
from leaderboard.scoring.plausibility import _too_cheap
from metanas.data.episode import TaskSpec
from metanas.evaluation.result import SUBMISSION, Submission
from metanas.models.macs import macs, parameters
from metanas.space.architecture import parse
from metanas.space.space import SearchSpace
from tests.rooms import ROOT

COMMITTED = ROOT / "leaderboard/results/mini-v1"
SPACE = SearchSpace(channels=16)


def committed(method: str) -> tuple[Submission, dict[str, Any]]:
    """What lies in the repository of a method on the track `small`."""
    for folder in (COMMITTED / method).iterdir():
        submission = Submission.model_validate_json((folder / SUBMISSION).read_text())
        if submission.budget["name"] == "small":
            return submission, json.loads((folder / "architecture.json").read_text())["tasks"]
    raise AssertionError(method)


def chosen(*texts: str, space: SearchSpace = SPACE) -> dict[str, Any]:
    """An entry of architecture.json: each of these architectures in equally many episodes."""
    share = 1 / len(texts)
    node = [[0.0] * len(space.ops) for _ in range(space.layers)]
    depth = [0.0] * space.layers
    for text in texts:
        layers = parse(text, space).layers
        depth[len(layers) - 1] += share
        for row, layer in zip(node, layers, strict=False):
            row[space.ops.index(layer.graph[0][0].op)] += share
    activation = [[1.0, 0.0, 0.0]] * space.layers
    shares = {"node": node, "activation": activation, "depth": depth}
    return {"text": texts[0], "ops": space.ops, "activations": space.activations, **shares, "shares": shares}


def of(architectures: dict[str, Any], **space: Any) -> Recount | None:
    submission, _ = committed("loo-nas")
    settings = {**submission.settings["space"], "channels": 16, **space}
    changed = submission.model_copy(update={"settings": {**submission.settings, "space": settings}})
    return recount(changed, architectures)


@pytest.mark.parametrize(
    "texts",
    [("conv3/relu",), ("conv5/tanh > gru/relu > attn/relu",), ("conv3/relu", "maxpool3/relu > fc/tanh")],
)
def test_the_macs_of_chosen_architectures_are_those_of_their_networks(texts: tuple[str, ...]) -> None:
    submission, _ = committed("loo-nas")
    found = of({task.name: chosen(*texts) for task in submission.tasks})
    assert found is not None
    networks = [parse(text, SPACE) for text in texts]
    expected, least = 0.0, []
    for task in submission.tasks:
        card = domain_cards.cards()[task.domain]
        spec = TaskSpec(task.domain, card.modality, card.shape, task.ways, int(card.modality == "text"))
        costs = [macs(network, spec) for network in networks]
        expected += sum(costs) / len(costs) / len(submission.tasks)
        least.append(min(costs))
    assert found.macs == round(expected)
    assert found.least_macs <= round(sum(least) / len(least)) <= found.macs
    if len(texts) == 1:
        assert found.least_macs == found.macs
        norms = 2 * SPACE.channels * len(networks[0].layers)
        assert found.least_parameters == parameters(networks[0]) - norms
    else:
        assert found.least_parameters <= min(parameters(network) for network in networks)


def test_a_mixture_of_candidates_or_of_exits_has_only_a_bound() -> None:
    submission, _ = committed("loo-nas")
    entry = chosen("conv3/relu", "maxpool3/relu > fc/tanh")
    soft = {"node": [[0.125] * len(SPACE.ops)] * SPACE.layers}
    for mean in (soft, {"depth": [1 / 3] * SPACE.layers}):
        found = of({task.name: {**entry, **mean} for task in submission.tasks})
        assert found is not None and found.macs is None and found.least_macs > 0


def test_declared_costs_below_what_the_architectures_need_are_flagged() -> None:
    submission, architectures = committed("loo-nas")
    honest = Scored(submission, (), architectures, {})
    assert honest.recount is not None and not list(_too_cheap(honest))
    for field, least in (
        ("predict_macs", honest.recount.least_macs),
        ("parameters", honest.recount.least_parameters),
    ):
        costs = submission.costs.model_copy(update={field: least - 1})
        ((kind, words),) = _too_cheap(
            replace(honest, submission=submission.model_copy(update={"costs": costs}))
        )
        assert kind == "costs" and f"{least - 1} " in words and words.endswith(f"need {least}")


def test_committed_results_are_no_cheaper_than_their_architectures() -> None:
    exact = 0
    for path in sorted(COMMITTED.iterdir()):
        submission, architectures = committed(path.name)
        if not architectures:
            continue
        found = recount(submission, architectures)
        assert found is not None, path.name
        assert submission.costs.parameters >= found.least_parameters
        assert (submission.costs.predict_macs or 0) >= found.least_macs
        exact += found.macs is not None
    assert exact  # of methods that answer with one architecture; mixtures have only a bound


def test_what_cannot_be_recounted_stays_as_declared() -> None:
    submission, architectures = committed("loo-nas")
    assert recount(submission, architectures) is not None
    assert recount(submission, {}) is None
    assert recount(submission.model_copy(update={"suite": "mine-v1"}), architectures) is None
    assert recount(submission.model_copy(update={"settings": {"space": 3}}), architectures) is None
    assert of(architectures, layers=4) is None
    assert of(architectures, ops=["conv3"]) is None
    assert of(architectures, nodes=2) is None
    wrong = {name: {**entry, "shares": None} for name, entry in architectures.items()}
    assert recount(submission, wrong) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"layers": 10**9},  # a list of so many layers takes all memory
        {"channels": 1e308},
        {"channels": 10**18},
        {"patch": 10**18, "stem": "lean"},
        {"reductions": [10**9]},
        {"channels": "16"},
        {"channels": True},
        {"stem": []},
    ],
)
def test_settings_that_are_no_space_are_refused_before_anything_is_made_of_them(
    settings: dict[str, Any],
) -> None:
    submission, _ = committed("loo-nas")
    assert of({task.name: chosen("conv3/relu") for task in submission.tasks}, **settings) is None


def test_no_file_is_read_because_a_strategy_names_it(tmp_path: Path) -> None:
    submission, _ = committed("loo-nas")
    entry = {task.name: chosen("conv3/relu") for task in submission.tasks}
    pipe = tmp_path / "strategy.yaml"
    os.mkfifo(pipe)  # whoever opened it would wait for ever
    assert of(entry, strategy=str(pipe)) == of(entry)


def _nothing(shares: dict[str, Any]) -> None:
    shares["node"] = [[0.0] * len(SPACE.ops)] * SPACE.layers


def _no_exit(shares: dict[str, Any]) -> None:
    _nothing(shares)
    shares["depth"] = [0.0] * SPACE.layers


def _two_exits(shares: dict[str, Any]) -> None:
    shares["depth"] = [1.0, 1.0, 0.0]


def _twice(shares: dict[str, Any]) -> None:
    shares["node"][0] = [1.0] * len(SPACE.ops)


@pytest.mark.parametrize("lie", [_nothing, _no_exit, _two_exits, _twice])
def test_shares_that_no_episodes_can_have_are_not_counted(lie: Callable[[dict[str, Any]], None]) -> None:
    submission, _ = committed("loo-nas")
    entry = json.loads(json.dumps(chosen("conv3/relu > gru/relu")))
    honest = {task.name: entry for task in submission.tasks}
    assert of(honest) is not None
    lied = json.loads(json.dumps(entry))
    lie(lied["shares"])
    lied |= {key: lied["shares"][key] for key in ("node", "depth")}
    assert of({name: lied for name in honest}) is None
