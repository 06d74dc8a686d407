"""Tuning: resumes, shares one store, and never draws a test episode."""

from pathlib import Path

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from metanas.config import ConfigError, resolve
from metanas.domain import Domain
from metanas.tune import Tuned, ranges, tune

QUICK = ["space.layers=1", "space.channels=8", "space.reductions=[]", "batching=vmap", "suite.shots=[1]"]


def run(path: Path, trials: int, sampler: str = "random") -> Tuned:
    config = resolve("maml", "mini-v1", budget="smoke", domains=["langid"], overrides=QUICK)
    return tune(
        config,
        ranges("maml", ["weight_rate=0.001..1.0", "steps=1..2"]),
        overrides=QUICK,
        trials=trials,
        sampler=sampler,  # type: ignore[arg-type]
        storage=f"sqlite:///{path}",
        episodes=4,
        root=None,
    )


def test_tuning_goes_on_from_its_file_and_draws_only_train_and_val(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, original = set(), Domain.episodes

    def spy(self, split, *rest):  # type: ignore[no-untyped-def]
        drawn.add(split)
        return original(self, split, *rest)

    monkeypatch.setattr(Domain, "episodes", spy)
    path = tmp_path / "tune.db"
    first = run(path, 1)
    assert first.trials == 1 and 0 <= first.accuracy <= 1
    more = run(path, 3, sampler="tpe")
    assert more.trials == 3 and more.accuracy >= first.accuracy
    assert run(path, 3).trials == 3  # nothing is left to do
    assert drawn == {"train", "val"}
    (study,) = optuna.get_all_study_summaries(f"sqlite:///{path}")
    assert study.n_trials == 3
    assert set(more.settings) == {"weight_rate", "steps"}


def test_ranges_are_read_from_text_and_defaults() -> None:
    found = ranges("maml", ["weight_rate=0.01..0.5", "steps=1..5", "second_order=true|false"])
    assert found["weight_rate"] == FloatDistribution(0.01, 0.5, log=True)
    assert found["steps"] == IntDistribution(1, 5)
    assert found["second_order"] == CategoricalDistribution(["true", "false"])
    default = ranges("protonet", [])
    rate = default["weight_rate"]
    assert isinstance(rate, FloatDistribution) and rate.low == pytest.approx(3e-4) and rate.log
    assert "space.channels" in default
    with pytest.raises(ConfigError, match="no setting named 'weight_rat'; did you mean 'weight_rate'"):
        ranges("maml", ["weight_rat=1..2"])
    with pytest.raises(ConfigError, match="'a..b' is not a range"):
        ranges("maml", ["weight_rate=a..b"])
