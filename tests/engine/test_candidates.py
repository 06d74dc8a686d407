"""`--regret`: what each candidate got, against every candidate fixed and its answers counted by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import metanas
from baselines.loo_nas import LooNas
from metanas.choice.paths import Paths, embed_all
from metanas.data.episode import EpisodeShape
from metanas.data.sampler import query_labels
from metanas.evaluation import controls, regret
from metanas.evaluation.gains import EVERYWHERE, gains
from metanas.evaluation.load_runs import load_runs
from metanas.evaluation.result import Task
from metanas.studies.reevaluate import reevaluate

SMALL = {
    "space.layers": 2,
    "space.channels": 8,
    "count": 5,
    "head": "prototype",
    "judgements": 1,
    "suite.queries": 4,
    "suite.shots": [1, 2],
    "budget.iterations": 6,
    "budget.tasks": 1,
    "budget.eval_episodes": 12,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> metanas.Run:
    out = tmp_path_factory.mktemp("regret") / "loo-nas"
    domains = ["langid", "digits"]
    return metanas.run(
        "loo-nas", domains=domains, seeds=[0, 1], settings=SMALL, out=out, budget="smoke", regret=True
    )


def by_hand(run: metanas.Run, task: Task, seed: int) -> np.ndarray:
    """Right answers (K, E) of the nearest class mean under each candidate, one task after the other."""
    learner = run.learner(seed)
    assert isinstance(learner.method, LooNas)
    shape = EpisodeShape(task.ways, task.shots, task.queries)
    episodes = run.data[task.domain].episodes("test", shape, 0, range(task.episodes))
    labels = query_labels(task.domain, "test", 0, shape, np.arange(task.episodes))
    found = []
    for candidate in learner.method.candidates:
        paths, counts = Paths(learner.method.net, [candidate]), []
        for e in range(task.episodes):
            one = episodes.tasks(slice(e, e + 1))
            with torch.no_grad():
                known, asked = (
                    embed_all(paths, learner.state.group("weights"), one.spec, x)[0, 0]
                    for x in (one.support.x, one.query.x)
                )
            means = torch.stack([known[one.support.y[0] == way].mean(0) for way in range(task.ways)])
            near = -learner.method.settings.sharpness * (asked[:, None] - means).square().mean(-1)
            stored = near.softmax(-1).numpy().astype(np.float16)  # as results round; ties go to the first
            counts.append(int((stored.argmax(1) == labels[e]).sum()))
        found.append(counts)
    return np.array(found)


def test_every_candidate_got_what_counting_by_hand_says(run: metanas.Run) -> None:
    (loaded,) = load_runs([run.folder]).values()
    own, regrets, oracles = loaded.scores.view(), {}, {}
    for task in loaded.submission.tasks:
        queries = task.ways * task.queries
        right = np.stack([by_hand(run, task, seed) for seed in (0, 1)], 1)  # (K, S, E)
        kept = np.rint(loaded.candidates[task.name] * queries).astype(int)
        assert np.abs(kept - right).max() <= 1 and (kept == right).mean() > 0.98, "ties may round either way"
        right = kept
        chosen = np.rint(own[task.name] * queries).astype(int)
        assert all(chosen[s, e] in right[:, s, e] for s in range(2) for e in range(task.episodes))
        oracles[task.name] = (right.max(0) - chosen).mean() / queries
        best = np.zeros((2, task.episodes))
        for s in range(2):
            for e in range(task.episodes):
                sums = right[:, s, 1 - e % 2 :: 2].sum(1).tolist()
                best[s, e] = right[sums.index(max(sums)), s, e]
        regrets[task.name] = (best - chosen).mean() / queries
    found = {(g.domain, g.figure): g.difference.mean for g in gains({"loo-nas": loaded.asked})}
    for name, by_task in (("regret", regrets), ("oracle", oracles)):
        for domain in ("digits", "langid"):
            expected = np.mean([value for task, value in by_task.items() if task.startswith(domain)])
            assert found[domain, name] == pytest.approx(expected)
        assert found[EVERYWHERE, name] == pytest.approx(np.mean(list(by_task.values())))
    assert found[EVERYWHERE, "oracle"] > 0


def test_one_candidate_leaves_nothing_to_regret(tmp_path: Path) -> None:
    settings = {**SMALL, "count": 1, "suite.shots": [2], "budget.iterations": 2}
    run = metanas.run(
        "loo-nas",
        domains=["langid"],
        seeds=[0],
        settings=settings,
        out=tmp_path / "run",
        budget="smoke",
        controls=False,
        regret=True,
    )
    (loaded,) = load_runs([run.folder]).values()
    assert not loaded.controls
    for gain in gains({"m": loaded.asked}):
        assert (gain.difference.mean, gain.difference.low, gain.difference.high) == (0, 0, 0)


def test_it_is_asked_for_only_on_request_and_changes_nothing_else(run: metanas.Run, tmp_path: Path) -> None:
    again = reevaluate(run.folder, "", [], "smoke", tmp_path / "plain", None, curves=False)
    assert not (again / regret.CANDIDATES).exists() and (again / controls.CONTROLS).exists()
    asked = reevaluate(run.folder, "", [], "smoke", tmp_path / "asked", None, curves=False, regret=True)
    plain, beside = (metanas.load_run(folder).result for folder in (again, asked))
    assert plain.submission.predictions_sha256 == beside.submission.predictions_sha256
    assert (asked / regret.CANDIDATES).exists()
    assert (asked / controls.CONTROLS).read_bytes() == (again / controls.CONTROLS).read_bytes()


def test_a_method_that_chooses_among_no_list_has_none(tmp_path: Path) -> None:
    settings = {name: value for name, value in SMALL.items() if name not in ("count", "judgements", "head")}
    run = metanas.run(
        "protonet",
        domains=["langid"],
        seeds=[0],
        settings=settings,
        out=tmp_path,
        budget="smoke",
        regret=True,
    )
    assert not (run.folder / regret.CANDIDATES).exists()
    assert json.loads((run.folder / "submission.json").read_text())["method"] == "protonet"
