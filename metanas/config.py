"""One run's configuration, resolved: what was asked for, checked, and written to config.yaml.

Only this module and `cli.py` know files and the command line. `--set key=value` reaches the suite
(`suite.episodes=50`), the budget (`budget.iterations=10`), `tracking`, `trials`, and otherwise the method's
settings (`weight_rate=0.1`, `space.layers=4`).
"""

import dataclasses
import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from metanas.kinds import METHODS
from metanas.method import Method
from metanas.search.strategy import as_text
from metanas.suite import Budget, Suite, load_suite

M = TypeVar("M", bound=BaseModel)


class ConfigError(ValueError):
    """A wrong option; the message says what was given and what would be right."""


class RunConfig(BaseModel):
    """All that decides the numbers of a run, and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")  # clip=.inf

    method: str
    settings: dict[str, Any]  # all of the method's settings, defaults filled in
    suite: Suite
    budget_name: str
    budget: Budget
    seeds: tuple[int, ...]
    tracking: Literal["none", "wandb"] = "none"
    trials: int | None = None  # how many settings were tried before these; declared, shown beside the scores


def resolve(
    method: str,
    suite: str,
    *,
    budget: str = "small",
    domains: Sequence[str] = (),
    seeds: Sequence[int] = (),
    overrides: Sequence[str] = (),
) -> RunConfig:
    """Check every option. ConfigError or UnknownName name the value and what would be right."""
    base, given = load_suite(suite), parse_overrides(overrides)
    if budget not in base.budgets:
        raise ConfigError(f"no budget named {budget!r} in {suite}; there are: {', '.join(base.budgets)}")
    if unknown := [domain for domain in domains if domain not in base.domains]:
        raise ConfigError(f"{suite} has no domain {unknown[0]!r}; it has: {', '.join(base.domains)}")
    if bad := [seed for seed in seeds if seed < 0 or seed > 30_000]:
        raise ConfigError(f"seeds must lie in 0..30000, got {bad[0]}")
    changed = {**given.pop("suite", {}), **({"domains": tuple(domains)} if domains else {})}
    tracking = given.pop("tracking", "none")
    if tracking not in ("none", "wandb"):
        raise ConfigError(f"tracking must be none or wandb, got {tracking!r}")
    trials = given.pop("trials", None)
    if trials is not None and (not isinstance(trials, int) or trials < 0):
        raise ConfigError(f"trials must be a number of settings tried, got {trials!r}")
    final = _updated(Suite, base, changed, "suite")
    return RunConfig(
        method=method,
        budget_name=budget,
        budget=_budget(_updated(Budget, base.budgets[budget], given.pop("budget", {}), "budget"), final),
        settings=plain(settings_of(METHODS[method], given)),
        suite=final,
        seeds=tuple(seeds) or base.seeds,
        tracking=tracking,
        trials=trials,
    )


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """["a.b=1", "c=x"] to {"a": {"b": 1}, "c": "x"}; values are YAML."""
    result: dict[str, Any] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set wants key=value, got {text!r}")
        *path, last = key.split(".")
        place = result
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise ConfigError(f"--set {text}: {part} was given a value already")
        place[last] = yaml.safe_load(value)
    return result


def settings_of(method: type[Method], given: Mapping[str, Any]) -> Any:
    """The method's Settings with `given` in place of the defaults, types checked."""
    given = _with_space(given)
    known = known_keys(method.Settings)
    for key in _flat(given):
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise ConfigError(f"no setting named {key!r}; {hint}")
    default = dataclasses.asdict(method.Settings())
    merged = {
        key: {**default[key], **value} if isinstance(value, dict) else value for key, value in given.items()
    }
    try:
        return TypeAdapter(method.Settings).validate_python({**default, **merged})
    except ValidationError as error:
        raise ConfigError(_first(error)) from error


def _with_space(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """space.strategy may be a mapping or a file, whose text is kept; cost is short for space.cost."""
    given = dict(given)
    if "cost" in given:
        given["space"] = {**given.get("space", {}), "cost": given.pop("cost")}
    space = given.get("space")
    if not isinstance(space, dict) or "strategy" not in space:
        return given
    try:
        return {**given, "space": {**space, "strategy": as_text(space["strategy"])}}
    except ValidationError as error:
        raise ConfigError(f"space.strategy.{_first(error)}") from error


def plain(settings: Any) -> dict[str, Any]:
    """Settings as JSON values, so that what config.yaml gives back is equal."""
    result: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return result


def known_keys(settings: type[Any]) -> list[str]:
    """Every key `--set` takes for these settings: "steps", "space.layers"."""
    default = settings()
    return _flat(dataclasses.asdict(default))


def write(config: RunConfig, path: Path) -> str:
    """The text of config.yaml."""
    text: str = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return text


def of_run(run: Path) -> RunConfig:
    """A run folder's configuration. ConfigError if it is none."""
    if not (run / "config.yaml").exists():
        raise ConfigError(f"{run} is not a run folder: it has no config.yaml")
    return read(run / "config.yaml")


def read(path: Path) -> RunConfig:
    """A config.yaml back to a value."""
    return RunConfig.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def _updated(kind: type[M], base: M, changes: Mapping[str, Any], what: str) -> M:
    try:
        return kind.model_validate(_merged(base.model_dump(), changes))
    except ValidationError as error:
        raise ConfigError(f"{what}.{_first(error)}") from error


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` over `base`, key by key at every depth."""
    both = {k: _merged(base.get(k) or {}, v) if isinstance(v, dict) else v for k, v in changes.items()}
    return {**base, **both}


def _budget(budget: Budget, suite: Suite) -> Budget:
    if budget.eval_episodes > suite.episodes:
        raise ConfigError(
            f"budget.eval_episodes is {budget.eval_episodes}, but {suite.name} pins {suite.episodes}"
        )
    return budget


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys = []
    for key, value in tree.items():
        keys += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [f"{prefix}{key}"]
    return keys


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}, got {first['input']!r:.80}" if field else message
