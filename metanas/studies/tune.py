"""Hyperparameter search on meta-validation classes: random, TPE or a Gaussian process, by Optuna.

Every trial meta-trains the method with other hyperparameters; its score is the accuracy on meta-validation
episodes (`engine/validation.py`). Test episodes are never drawn. Trials are stored in an SQLite file: the
same command resumes an interrupted search, and several at once share the work.
"""

import hashlib
import json
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import optuna
from filelock import FileLock
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
)
from optuna.study import MaxTrialsCallback
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import DBAPIError, IntegrityError, ProgrammingError, SQLAlchemyError

from metanas.base import redact, yaml_text
from metanas.base.errors import DataError, MetanasError
from metanas.base.executor import OnProgress
from metanas.data.datasets import Datasets
from metanas.engine.config import ConfigError, RunConfig, as_overrides, known_keys, resolve, settings_of
from metanas.engine.fields import range_of
from metanas.engine.predict import Diverged
from metanas.engine.run import early_stop, meta_batches, num_iterations
from metanas.engine.runtime import CPU, Runtime
from metanas.engine.seed_run import build, check_trains
from metanas.engine.trainer import TrainError, meta_train
from metanas.engine.validation import accuracy, selection
from metanas.method import METHODS


class StorageError(DataError):
    """The database of the trials is locked, read-only, damaged, or does not answer."""

    exit_code = 3


Sampler = Literal["tpe", "gp", "random"]


class Tuned(NamedTuple):
    """The hyperparameters of the best trial, its accuracy in [0, 1], and the number of ended trials.

    first: the accuracy of the first trial, which has the values given; None if it diverged.
    """

    settings: dict[str, Any]
    accuracy: float
    trials: int
    first: float | None = None


def tune(
    config: RunConfig,
    over: Mapping[str, BaseDistribution],
    *,
    overrides: Sequence[str],
    trials: int,
    sampler: Sampler,
    storage: str,
    episodes: int,
    data: Datasets,
    seed: int = 0,
    runtime: Runtime = CPU,
    update: OnProgress = lambda index, doing, done: None,
) -> Tuned:
    """Run trials until `trials` have ended, those of earlier calls included.

    The first trial has the values of `config` (the method's defaults, or what `--set` says), as far as the
    distributions hold them: what is found is no worse than they are on these episodes.

    over: the distribution of every hyperparameter that is searched. overrides: of all others, as for `--set`.
    update: told of every trial that has ended.
    storage: URL of Optuna's database. episodes: meta-validation episodes per task. A trial whose loss is not
    finite ends as pruned; TrainError if all do. DataError for a domain without meta-validation classes.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # it warns with a traceback, we with a line
    check_trains(config, data)
    _check_builds(config, over, overrides, data)
    with _first_use(storage), _usable(storage, ImportError, ValueError):  # one that Optuna does not have
        study = _create_study(
            study_name=_study_name(config, over, data, [episodes, seed, runtime.precision]),
            storage=storage,
            direction="maximize",
            sampler=_sampler(sampler),
            load_if_exists=True,
        )
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial(_given(config.settings, over))

    def score(trial: Trial) -> float:
        suggested = {key: _suggest(trial, key, distribution) for key, distribution in over.items()}
        trial_config = _with(config, overrides, suggested)
        method, batches = build(trial_config, data.values()), meta_batches(config, data, seed)
        with tempfile.TemporaryDirectory() as folder, runtime.active():
            iterations = num_iterations(trial_config, method, batches)
            try:
                trained = meta_train(
                    method,
                    batches,
                    iterations,
                    Path(folder),
                    runtime=runtime,
                    stop=early_stop(trial_config, method, data),
                    select=selection(method, data.validation_tasks()),
                )
                return accuracy(method, trained.state, data.validation_tasks(), episodes)
            except (TrainError, Diverged) as error:  # a loss or a prediction is not finite
                raise optuna.TrialPruned(str(error)) from error

    ended = (TrialState.COMPLETE, TrialState.PRUNED)

    def told(study: optuna.Study, trial: FrozenTrial | None = None) -> None:
        best = [t.value for t in _ended(study, (TrialState.COMPLETE,)) if t.value is not None]
        update(0, f"best {100 * max(best):.2f} %" if best else "first trial", len(_ended(study, ended)))

    told(study)
    if len(_ended(study, ended)) < trials:
        with _usable(storage):
            study.optimize(score, callbacks=[told, MaxTrialsCallback(trials, states=ended)])
    complete = _ended(study, (TrialState.COMPLETE,))
    if not complete:
        raise TrainError(
            f"all {trials} trials diverged; search smaller learning rates (--over key=low..high)"
        )
    first = next((trial.value for trial in complete if trial.number == 0), None)
    return Tuned(dict(study.best_params), study.best_value, len(_ended(study, ended)), first)


def _check_builds(
    config: RunConfig, over: Mapping[str, BaseDistribution], overrides: Sequence[str], data: Datasets
) -> None:
    """The error of a network or method that a suggested value could not build, before any trial."""
    for key, distribution in over.items():
        for value in _ends(distribution):
            build(_with(config, overrides, {key: value}), data.values())


def _with(config: RunConfig, overrides: Sequence[str], values: Mapping[str, Any]) -> RunConfig:
    """The configuration with these values of the searched hyperparameters."""
    given = [*overrides, *as_overrides(values)]
    resolved = resolve(config.method, config.suite.original, budget=config.budget_name, overrides=given)
    return config.model_copy(update={"settings": resolved.settings})


def ranges(method: str, texts: Sequence[str]) -> dict[str, BaseDistribution]:
    """The search space: the distribution of every hyperparameter, by key.

    texts: key=low..high (on a logarithmic scale if low > 0 and high >= 10 low) or key=a|b|c. Empty: every
    learning rate of the method from a tenth to ten times its default, and the number of channels. ConfigError
    for an unknown key or a text of another form.
    """
    settings = METHODS[method].Settings
    known = known_keys(settings)
    if not texts:
        return {key: around for key in known if (around := _around(settings(), key)) is not None}
    distributions: dict[str, BaseDistribution] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--over wants key=low..high or key=a|b, got {text!r}")
        if key not in known:
            settings_of(METHODS[method], {key: 0})  # its error names the nearest key
        distributions[key] = _parse(key, value)
        _check_range(method, key, distributions[key])
        for given in _ends(distributions[key]):
            resolve(method, "mini-v1", overrides=[f"{key}={given}"])  # its error says what may stand there
    return distributions


def _ends(distribution: BaseDistribution) -> Sequence[Any]:
    """Values of a distribution that are all allowed if every value of it is."""
    if isinstance(distribution, CategoricalDistribution):
        return tuple(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = distribution.low, distribution.high
    if isinstance(distribution, IntDistribution):
        return (low, high)
    return (low, high, low + 0.618034 * (high - low))  # not whole, even where both ends are


def _check_range(method: str, key: str, distribution: BaseDistribution) -> None:
    """ConfigError if a trial could get a number that the setting cannot have."""
    allowed = range_of(METHODS[method].Settings, key)
    if allowed is not None and isinstance(distribution, FloatDistribution | IntDistribution):
        for end in (distribution.low, distribution.high):
            if end not in allowed:
                raise ConfigError(f"--over {key}: must be {allowed}, got {end}")


def _study_name(
    config: RunConfig, over: Mapping[str, BaseDistribution], data: Datasets, given: Sequence[Any]
) -> str:
    """The name of an Optuna study: readable, with a hash of everything that decides a trial's accuracy.

    That is the version of metanas, the whole configuration, the distribution of every searched
    hyperparameter, the fingerprints of the data, and `given`: meta-validation episodes, seed and precision.
    """
    searched = {key: distribution_to_json(distribution) for key, distribution in sorted(over.items())}
    fingerprints = {name: domain.fingerprint for name, domain in data.items()}
    decides = [version("metanas"), config.model_dump(mode="json"), searched, fingerprints, *given]
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    return (
        f"{config.method} on {config.suite.name} {config.suite.version}: {','.join(sorted(over))} [{digest}]"
    )


def _given(settings: Mapping[str, Any], over: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """The configuration's own values of the searched hyperparameters, where they can be suggested."""
    values: dict[str, Any] = {}
    for key, distribution in over.items():
        value: Any = settings
        for part in key.split("."):
            value = value[part]
        if isinstance(distribution, CategoricalDistribution):
            values.update((key, choice) for choice in distribution.choices if _means(choice, value))
        elif isinstance(distribution, FloatDistribution | IntDistribution) and value is not None:
            values.update({key: value} if distribution.low <= value <= distribution.high else {})
    return values


def _means(choice: Any, value: Any) -> bool:
    """Whether a choice, as `--over` gave it, stands for this value."""
    return bool((yaml_text.parse(choice, "--over") if isinstance(choice, str) else choice) == value)


@contextmanager
def _first_use(storage: str) -> Iterator[None]:
    """One process at a time: Optuna's tables are made by whoever comes first, and two at once fail."""
    path = storage.removeprefix("sqlite:///")
    if path == storage:
        yield
        return
    with FileLock(f"{path}.lock"):
        yield


def _create_study(**about: Any) -> optuna.Study:
    """Create or load a study. On a database server, who loses the race for the tables finds them made."""
    for wait in (0.1, 0.3, 1.0):
        try:
            return optuna.create_study(**about)
        except (IntegrityError, ProgrammingError, optuna.exceptions.StorageInternalError):
            time.sleep(wait)
    return optuna.create_study(**about)


@contextmanager
def _usable(storage: str, *also: type[Exception]) -> Iterator[None]:
    """Turn what the trials' database fails at into one line, without a password. StorageError."""
    ours = (SQLAlchemyError, optuna.exceptions.StorageInternalError, ModuleNotFoundError)
    faults: tuple[type[Exception], ...] = (*ours, *also)
    try:
        yield
    except MetanasError:
        raise
    except faults as error:
        cause = next((e for e in (error, error.__cause__) if isinstance(e, DBAPIError)), error)
        reason = redact.without(" ".join(str(getattr(cause, "orig", cause)).split()), storage)
        if isinstance(error, ImportError):
            reason += " (PostgreSQL: pip install 'metanas[leaderboard]')"
        raise StorageError(
            f"--storage {redact.address(storage)} cannot be used: {reason}; give another sqlite:///FILE, "
            "or move it away"
        ) from error


def _parse(key: str, value: str) -> BaseDistribution:
    low, dots, high = value.partition("..")
    if not dots:
        return CategoricalDistribution(value.split("|"))
    try:
        a, b = yaml_text.parse(low, f"--over {key}"), yaml_text.parse(high, f"--over {key}")
        if isinstance(a, int) and isinstance(b, int):
            return IntDistribution(a, b)
        a, b = float(a), float(b)  # YAML reads 1e37 as text
        if not (math.isfinite(a) and math.isfinite(b)):
            raise ValueError("not finite")
        return FloatDistribution(a, b, log=a > 0 and b >= 10 * a)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"--over {key}: {value!r} is not a range low..high of numbers") from error


def _around(settings: Any, key: str) -> BaseDistribution | None:
    """The default distribution of a key; None for one that is not searched by default."""
    value = settings
    for part in key.split("."):
        value = getattr(value, part)
    if key.endswith("_rate") and value is not None and value > 0:
        return FloatDistribution(value / 10, value * 10, log=True)
    if key == "space.channels":
        return CategoricalDistribution([value // 2, value, value * 2])
    return None


def _sampler(name: Sampler) -> optuna.samplers.BaseSampler:
    # no fixed seed: processes that share a study must not suggest the same values
    samplers = {
        "tpe": optuna.samplers.TPESampler,
        "gp": optuna.samplers.GPSampler,
        "random": optuna.samplers.RandomSampler,
    }
    return samplers[name]()


def _suggest(trial: Trial, key: str, distribution: BaseDistribution) -> object:
    match distribution:
        case FloatDistribution():
            return trial.suggest_float(key, distribution.low, distribution.high, log=distribution.log)
        case IntDistribution():
            return trial.suggest_int(key, distribution.low, distribution.high)
        case CategoricalDistribution():
            return trial.suggest_categorical(key, distribution.choices)
    raise TypeError(f"cannot suggest a value from {distribution}")


def _ended(study: optuna.Study, states: tuple[TrialState, ...]) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=states)
