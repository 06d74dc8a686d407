"""Hyperparameter search on meta-validation classes: random, TPE or a Gaussian process, by Optuna.

Every trial meta-trains the method with other settings and is scored by `validate.accuracy`; test episodes
are never drawn. Trials lie in a SQLite file, so the same command goes on where it was stopped, and several of
them at once share the work.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import optuna
import yaml
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, Trial, TrialState

from metanas.config import ConfigError, RunConfig, known_keys, resolve, settings_of
from metanas.kinds import METHODS
from metanas.run import build, open_domains, planned
from metanas.train import Source, TrainError, meta_train
from metanas.validate import VAL_SEED, accuracy

Sampler = Literal["tpe", "gp", "random"]


class Tuned(NamedTuple):
    """The best trial and how many there are."""

    settings: dict[str, Any]
    accuracy: float
    trials: int


def tune(
    config: RunConfig,
    over: Mapping[str, BaseDistribution],
    *,
    overrides: Sequence[str],
    trials: int,
    sampler: Sampler,
    storage: str,
    episodes: int,
    root: Path | None,
    seed: int = 0,
) -> Tuned:
    """Run until the study has `trials` finished ones. DataError for a domain without validation classes."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    domains = open_domains(config, root)
    study = optuna.create_study(
        study_name=study_name(config, over),
        storage=storage,
        direction="maximize",
        sampler=_sampler(sampler),
        load_if_exists=True,
    )

    def score(trial: Trial) -> float:
        drawn = {key: _draw(trial, key, kind) for key, kind in over.items()}
        given = [*overrides, *(f"{key}={_text(value)}" for key, value in drawn.items())]
        chosen = resolve(config.method, config.suite.name, budget=config.budget_name, overrides=given)
        chosen = config.model_copy(update={"settings": chosen.settings})
        method = build(chosen, domains)
        source = Source(domains, config.suite.train_shapes, config.budget.tasks, seed)
        with tempfile.TemporaryDirectory() as folder:
            try:
                trained = meta_train(method, source, planned(chosen, method, source), Path(folder))
            except TrainError as error:  # a loss that is not finite: these settings are no good
                raise optuna.TrialPruned(str(error)) from error
        return accuracy(method, trained.state, domains, config.suite.shapes, episodes, VAL_SEED)

    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    if len(_ended(study, ended)) < trials:
        study.optimize(score, callbacks=[MaxTrialsCallback(trials, states=ended)])
    return Tuned(dict(study.best_params), study.best_value, len(_ended(study, ended)))


def ranges(method: str, texts: Sequence[str]) -> dict[str, BaseDistribution]:
    """What to search: key=low..high (log if both are positive and 10 times apart) or key=a|b|c.

    Without any: every rate of the method from a tenth to ten times its default, and the width. ConfigError
    says what is wrong.
    """
    settings = METHODS[method].Settings
    known = known_keys(settings)
    if not texts:
        return {key: kind for key in known if (kind := _around(settings(), key)) is not None}
    found: dict[str, BaseDistribution] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--over wants key=low..high or key=a|b, got {text!r}")
        if key not in known:
            settings_of(METHODS[method], {key: 0})  # its error names the nearest key
        found[key] = _parse(key, value)
    return found


def study_name(config: RunConfig, over: Mapping[str, BaseDistribution]) -> str:
    """One study per method, suite, budget, domains and searched keys."""
    suite, keys = config.suite, ",".join(sorted(over))
    where = f"{suite.name} {suite.version} ({','.join(suite.domains)})"
    return f"{config.method} on {where}, {config.budget}: {keys}"


def _parse(key: str, value: str) -> BaseDistribution:
    low, dots, high = value.partition("..")
    if not dots:
        return CategoricalDistribution(value.split("|"))
    try:
        a, b = yaml.safe_load(low), yaml.safe_load(high)
        if isinstance(a, int) and isinstance(b, int):
            return IntDistribution(a, b)
        return FloatDistribution(float(a), float(b), log=float(a) > 0 and float(b) >= 10 * float(a))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"--over {key}: {value!r} is not a range low..high of numbers") from error


def _around(settings: Any, key: str) -> BaseDistribution | None:
    value = settings
    for part in key.split("."):
        value = getattr(value, part)
    if key.endswith("_rate") and value > 0:
        return FloatDistribution(value / 10, value * 10, log=True)
    if key == "space.channels":
        return CategoricalDistribution([value // 2, value, value * 2])
    return None


def _sampler(name: Sampler) -> optuna.samplers.BaseSampler:
    # no fixed seed: processes that share a study must not all draw the same
    kinds = {
        "tpe": optuna.samplers.TPESampler,
        "gp": optuna.samplers.GPSampler,
        "random": optuna.samplers.RandomSampler,
    }
    return kinds[name]()


def _draw(trial: Trial, key: str, kind: BaseDistribution) -> object:
    match kind:
        case FloatDistribution():
            return trial.suggest_float(key, kind.low, kind.high, log=kind.log)
        case IntDistribution():
            return trial.suggest_int(key, kind.low, kind.high)
        case CategoricalDistribution():
            return trial.suggest_categorical(key, kind.choices)
    raise TypeError(f"no way to draw from {kind}")


def _text(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n...\n").strip()


def _ended(study: optuna.Study, states: tuple[TrialState, ...]) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=states)
