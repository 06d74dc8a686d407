"""Tuning: resumes, shares one store, and never draws a test episode."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from typer.testing import CliRunner

from metanas.base.plugins import PluginError
from metanas.base.registry import UnknownName
from metanas.cli.app import app
from metanas.data.datasets import Datasets
from metanas.data.domain import Domain
from metanas.engine.checkpoint import Trained
from metanas.engine.config import ConfigError, resolve
from metanas.engine.trainer import TrainError, meta_train
from metanas.method import METHODS
from metanas.studies.tune import StorageError, Tuned, _check_range, _given, _study_name, _with, ranges, tune

QUICK = ["space.layers=1", "space.channels=8", "space.reductions=[]", "batching=vmap", "suite.shots=[1]"]
OVER = ("weight_rate=0.001..1.0", "steps=1..2")


def run(path: Path, trials: int, sampler: str = "random", over: Sequence[str] = OVER) -> Tuned:
    config = resolve("maml", "mini-v1", budget="smoke", domains=["langid"], overrides=QUICK)
    return tune(
        config,
        ranges("maml", over),
        overrides=QUICK,
        trials=trials,
        sampler=sampler,  # type: ignore[arg-type]
        storage=f"sqlite:///{path}",
        episodes=4,
        data=Datasets.open(config.suite),
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
    assert first.first == more.first == first.accuracy  # the first trial's, which had the values given
    assert run(path, 3).trials == 3  # nothing is left to do
    assert drawn == {"train", "val"}
    (study,) = optuna.get_all_study_summaries(f"sqlite:///{path}")
    assert study.n_trials == 3
    assert set(more.settings) == {"weight_rate", "steps"}


def test_the_first_trial_has_the_given_values(tmp_path: Path) -> None:
    """Where the ranges hold them: a value outside them is drawn, an unset one too."""
    over = ["weight_rate=0.05..0.5", "steps=7..9", "second_order=true|false", "outer_eta_rate=0.01..0.1"]
    given = _given(resolve("maml", "mini-v1").settings, ranges("maml", over))
    assert given == {"weight_rate": 0.1, "second_order": "true", "outer_eta_rate": 0.01}
    assert _given(resolve("reptile", "mini-v1").settings, ranges("reptile", ["test_weight_rate=0..1"])) == {}
    run(tmp_path / "tune.db", 1)
    (study,) = optuna.get_all_study_names(f"sqlite:///{tmp_path}/tune.db")
    (trial,) = optuna.load_study(study_name=study, storage=f"sqlite:///{tmp_path}/tune.db").trials
    assert trial.params["weight_rate"] == 0.1


def test_a_trial_stops_early_as_a_run_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stops = []

    def spy(*given: object, stop: object, **options: object) -> Trained:
        stops.append(stop)
        return meta_train(*given, stop=stop, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("metanas.studies.tune.meta_train", spy)
    for number, budget in enumerate([[], ["budget.patience=1", "budget.check_every=1"]]):
        config = resolve("maml", "mini-v1", budget="smoke", domains=["langid"], overrides=[*QUICK, *budget])
        tune(
            config,
            ranges("maml", OVER),
            overrides=[*QUICK, *budget],
            trials=1,
            sampler="random",
            storage=f"sqlite:///{tmp_path}/{number}.db",
            episodes=2,
            data=Datasets.open(config.suite),
        )
    assert stops[0] is None and stops[1] is not None


def test_what_is_printed_gives_a_run_these_settings(tmp_path: Path) -> None:
    words = [
        "tune",
        "protonet",
        "--domains",
        "langid",
        "--budget",
        "smoke",
        "--trials",
        "1",
        "--episodes",
        "2",
    ]
    words += [
        "--set",
        "space.layers=1",
        "--set",
        "space.ops=[conv3, skip]",
        "--over",
        "weight_rate=0.001..0.1",
    ]
    shown = CliRunner().invoke(app, [*words, "--storage", f"sqlite:///{tmp_path}/t.db"])
    assert shown.exit_code == 0, shown.output
    *_, told, printed = shown.stdout.splitlines()
    assert told.endswith("% on meta-validation; that is the first trial, with the settings given")
    given = shlex.split(printed)[1::2]
    assert given == ["space.layers=1", "space.ops=[conv3, skip]", "weight_rate=0.003", "trials=1"]
    config = resolve("protonet", "mini-v1", overrides=given)
    assert (config.trials, config.settings["space"]["ops"]) == (1, ["conv3", "skip"])


def test_a_suite_of_one_s_own_is_tuned_on(tmp_path: Path) -> None:
    """It has no name that could be looked up."""
    (tmp_path / "own-v1.yaml").write_text(
        "name: own-v1\nversion: '1'\nsummary: Mine.\ndomains: [langid]\nways: 5\nshots: [1]\nqueries: 3\n"
        "train_queries: 3\nepisodes: 10\nseeds: [0]\n"
        "budgets: {smoke: {iterations: 1, tasks: 1, eval_episodes: 2}}\n"
    )
    config = resolve("maml", tmp_path / "own-v1.yaml", budget="smoke", overrides=["steps=3"])
    found = _with(config, ["steps=3"], {"weight_rate": 0.5})
    assert (found.settings["steps"], found.settings["weight_rate"]) == (3, 0.5)
    assert found.suite == config.suite


def test_a_network_that_is_none_is_refused_before_a_trial(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="nope"):
        run(tmp_path / "tune.db", 1, over=["network.kind=conv4|nope"])
    assert not (tmp_path / "tune.db").exists()


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


@pytest.mark.parametrize("method", list(METHODS))
def test_every_method_has_ranges_that_its_settings_allow(method: str) -> None:
    """Also those with rates that are unset unless given (Reptile's)."""
    try:
        found = ranges(method, [])
    except PluginError as error:
        pytest.skip(f"NOT RUN: {error}")
    for key, distribution in found.items():
        _check_range(method, key, distribution)


def test_another_search_is_another_study(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that decides a trial's accuracy is in the name; the number of trials is not."""
    config, over = resolve("maml", "mini-v1", budget="smoke"), ranges("maml", ["weight_rate=0.001..1.0"])
    data, other = opened("a"), opened("b")
    names = {
        _study_name(config, over, data, [4, 0, "float32"]),
        _study_name(config, ranges("maml", ["weight_rate=2.0..3.0"]), data, [4, 0, "float32"]),
        _study_name(config, over, other, [4, 0, "float32"]),
        _study_name(config, over, data, [5, 0, "float32"]),
        _study_name(config, over, data, [4, 1, "float32"]),
        _study_name(config, over, data, [4, 0, "bf16"]),
        *(
            _study_name(
                resolve("maml", "mini-v1", budget="smoke", overrides=[text]), over, data, [4, 0, "float32"]
            )
            for text in ("network.kind=conv4", "steps=7", "suite.shots=[5]", "budget.iterations=3")
        ),
    }
    assert _study_name(config, dict(over), data, [4, 0, "float32"]) in names
    monkeypatch.setattr("metanas.studies.tune.version", lambda package: "another")
    names.add(_study_name(config, over, data, [4, 0, "float32"]))
    assert len(names) == 11


def opened(fingerprint: str) -> Datasets:
    """A domain of which only the fingerprint is looked at."""
    return {"langid": SimpleNamespace(fingerprint=fingerprint)}  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("method", "rate"), [("maml", "outer_weight_rate=1e37..1e38"), ("scratch", "weight_rate=1e37..1e38")]
)
def test_a_search_in_which_all_diverges_says_so(tmp_path: Path, method: str, rate: str) -> None:
    """In meta-training, or in adapting to a meta-validation task."""
    quick = QUICK[:3] if method == "scratch" else QUICK
    config = resolve(method, "mini-v1", budget="smoke", domains=["langid"], overrides=quick)
    with pytest.raises(TrainError, match="all 1 trials diverged; search smaller learning rates"):
        tune(
            config,
            ranges(method, [rate]),
            overrides=quick,
            trials=1,
            sampler="random",
            storage=f"sqlite:///{tmp_path / 'tune.db'}",
            episodes=4,
            data=Datasets.open(config.suite),
        )


def test_a_damaged_database_of_trials_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "tune.db"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(StorageError, match=r"tune.db cannot be used: file is not a database; give another"):
        run(path, 1)
    assert StorageError.exit_code == 3


@pytest.mark.parametrize(
    "storage", ["mysql://ada:secret@h/x?password=secret", "redis://:secret@h", "x://:secret@h"]
)
def test_a_database_that_optuna_lacks_is_one_line_without_a_password(storage: str) -> None:
    config = resolve("maml", "mini-v1", budget="smoke", domains=["langid"])
    with pytest.raises(StorageError, match="cannot be used: .*; give") as raised:
        tune(
            config,
            ranges("maml", ["weight_rate=0.001..1.0"]),
            overrides=(),
            trials=1,
            sampler="random",
            storage=storage,
            episodes=4,
            data=Datasets.open(config.suite),
        )
    assert "secret" not in str(raised.value)
