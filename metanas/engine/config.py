"""The configuration of a run: checked options and overrides as one value, stored as config.yaml.

An override `key=value` (`--set`) changes the suite (`suite.episodes=50`), the budget
(`budget.iterations=10`), `tracking`, `trials`, or otherwise a hyperparameter of the method
(`weight_rate=0.1`, `space.layers=4`).
"""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from metanas.base import yaml_text
from metanas.base.atomic import write_atomically
from metanas.base.errors import InvalidValue
from metanas.base.meant import meant
from metanas.base.ranges import STORED
from metanas.data.adapter import DOMAINS
from metanas.data.suite import Budget, Suite, load_suite
from metanas.method import METHODS, Method
from metanas.space.network_config import NetworkConfig, stored_fields, with_hash
from metanas.space.space import SearchSpace
from metanas.space.strategy import as_text

M = TypeVar("M", bound=BaseModel)


class ConfigError(InvalidValue):
    """An option or override is wrong; the message gives the value and what would be right."""


class DamagedConfig(ConfigError):
    """A config.yaml is cut, foreign or from another version."""

    exit_code = 3


class RunConfig(BaseModel):
    """The resolved configuration of a run: what determines its results. No paths, no number of processes."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")  # clip=.inf

    method: str
    settings: dict[str, Any]  # all hyperparameters of the method, defaults filled in
    suite: Suite
    budget_name: str
    budget: Budget
    seeds: tuple[int, ...]
    tracking: Literal["none", "wandb"] = "none"
    trials: int | None = None  # settings tried before these, as the user declares; shown with the scores


def resolve(
    method: str,
    suite: str | Path | Suite,
    *,
    budget: str = "small",
    domains: Sequence[str] = (),
    seeds: Sequence[int] = (),
    overrides: Sequence[str] = (),
) -> RunConfig:
    """The configuration that these options and overrides ask for.

    domains, seeds: empty for those of the suite. ConfigError or UnknownName name the wrong value and what
    would be right.
    """
    base = suite if isinstance(suite, Suite) else load_suite(suite)
    given = parse_overrides(overrides)
    if budget not in base.budgets:
        raise ConfigError(f"no budget named {budget!r} in {base.name}; there are: {', '.join(base.budgets)}")
    if unknown := [domain for domain in domains if domain not in base.domains]:
        raise ConfigError(f"{base.name} has no domain {unknown[0]!r}; it has: {', '.join(base.domains)}")
    suite_changes = _group(given, "suite")
    _check_domains(base, suite_changes)
    suite_changes |= {"domains": tuple(domains)} if domains else {}
    tracking = given.pop("tracking", "none")
    if tracking not in ("none", "wandb"):
        raise ConfigError(f"tracking must be none or wandb, got {tracking!r}")
    trials = given.pop("trials", None)
    if trials is not None and (not isinstance(trials, int) or isinstance(trials, bool) or trials < 0):
        raise ConfigError(f"trials must be a number of settings tried, got {trials!r}")
    updated_suite = _updated(Suite, base, suite_changes, "suite")
    chosen_seeds = tuple(seeds) or updated_suite.seeds
    if bad := [seed for seed in chosen_seeds if seed < 0 or seed > 30_000]:
        raise ConfigError(f"seeds must lie in 0..30000, got {bad[0]}")
    if len(set(chosen_seeds)) < len(chosen_seeds):
        raise ConfigError(f"every seed may stand once, got {', '.join(map(str, chosen_seeds))}")
    return RunConfig(
        method=method,
        budget_name=budget,
        budget=_checked_budget(
            _updated(Budget, base.budgets[budget], _group(given, "budget"), "budget"), updated_suite
        ),
        settings=plain(settings_of(METHODS[method], given)),
        suite=updated_suite,
        seeds=chosen_seeds,
        tracking=tracking,
        trials=trials,
    )


def _check_domains(base: Suite, changes: Mapping[str, Any]) -> None:
    """ConfigError for a domain that does not exist, or options of one that the suite does not have."""
    domains = changes.get("domains", base.domains)
    known = domains if isinstance(domains, list | tuple) else base.domains  # else the type is refused later
    for domain in known:
        if domain not in base.domains and domain not in DOMAINS:
            raise ConfigError(f"suite.domains: there is no domain {domain!r:.80}; see metanas list domains")
    options = changes.get("options", {})
    for domain in options if isinstance(options, dict) else ():
        if domain not in known:
            raise ConfigError(
                f"suite.options: {base.name} has no domain {domain!r:.80}; it has: "
                f"{', '.join(map(str, known))}"
            )


def parse_overrides(overrides: Sequence[str]) -> dict[str, Any]:
    """["a.b=1", "c=x"] to {"a": {"b": 1}, "c": "x"}; values are YAML. ConfigError if one is not key=value."""
    result: dict[str, Any] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set wants key=value, got {text!r}")
        *path, last = key.split(".")
        node = result
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ConfigError(f"--set {text}: {part} was given a value already")
        node[last] = yaml_text.parse(value, f"--set {text}")
    return result


def as_overrides(settings: Mapping[str, Any] | None) -> list[str]:
    """{"weight_rate": 0.1} to ["weight_rate=0.1"], as `--set` takes them."""
    return [f"{key}={_as_yaml(value)}" for key, value in (settings or {}).items()]


def _as_yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("\n...\n").strip()


def settings_of(method: type[Method], given: Mapping[str, Any], *, stored: bool = False) -> Any:
    """An instance of the method's Settings: defaults, overridden by `given` and checked.

    stored: `given` was checked when its run began, so types are checked and ranges are not; and what it does
    not have was not there yet: it means what `Method.before` says, a field of its space what the space itself
    has by default, and not what the method would have now. ConfigError for an unknown key or a value that
    does not fit; it names the nearest known key.
    """
    given = _with_space(given)
    known = known_keys(method.Settings)
    for key in _flat(given):
        if key not in known:
            raise ConfigError(f"no setting named {key!r}{meant(key, known)}")
    default = dataclasses.asdict(method.Settings())
    if stored:
        default |= getattr(method, "before", {})
    if stored and "space" in given:
        default["space"] = dataclasses.asdict(SearchSpace())
    groups = {key for key, value in default.items() if isinstance(value, dict)}
    merged = {
        key: {**default[key], **value} if isinstance(value, dict) and key in groups else value
        for key, value in given.items()
    }
    try:
        context = STORED if stored else None
        validator = _validator(method.Settings)  # type: ignore[arg-type]
        settings = validator.validate_python({**default, **merged}, context=context)
    except ValidationError as error:
        raise ConfigError(_first(error)) from error
    network = getattr(settings, "network", None)
    if stored or not isinstance(network, NetworkConfig):
        return settings
    return dataclasses.replace(settings, network=with_hash(network))


@cache
def _validator(settings: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(settings)


def _with_space(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Expand abbreviations: `cost` to `space.cost`; a mapping or file in space.strategy to its text."""
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
    """Settings as JSON values, so that they equal what is read back from config.yaml."""
    result: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    if isinstance(getattr(settings, "network", None), NetworkConfig):
        result["network"] = stored_fields(settings.network)
    return result


def known_keys(settings: type[Any]) -> list[str]:
    """Every key of a Settings class that `--set` takes, nested ones with dots: "steps", "space.layers"."""
    default = settings()
    return _flat(dataclasses.asdict(default))


def write(config: RunConfig, path: Path) -> None:
    """Write config.yaml atomically."""
    text: str = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    write_atomically(path, text.encode())


def of_run(run: Path) -> RunConfig:
    """The configuration of a run folder. ConfigError if there is no config.yaml or it is damaged."""
    if not (run / "config.yaml").exists():
        raise ConfigError(f"{run} is not a run folder: it has no config.yaml")
    return read(run / "config.yaml")


def read(path: Path) -> RunConfig:
    """Read a config.yaml. DamagedConfig if it is damaged or of another version."""
    try:
        content = yaml_text.read(path)
        if content is None:
            raise InvalidValue("it is empty")
        return RunConfig.model_validate(content, context=STORED)
    except (InvalidValue, ValidationError, OSError) as error:
        reason = _first(error) if isinstance(error, ValidationError) else error
        raise DamagedConfig(
            f"{path} is damaged or from another version ({reason}); give another run folder, or delete this "
            "one to compute it again"
        ) from error


def as_offered(known: RunConfig, asked: RunConfig) -> RunConfig:
    """`known` with the suite's list of budgets as in `asked`, and with the settings that it did not have yet.

    So neither a budget that a later version adds to a suite (a run's own is kept apart, in `budget`) nor a
    setting that it adds to a method makes a stored run another one.
    """
    changes: dict[str, Any] = {"suite": known.suite.model_copy(update={"budgets": asked.suite.budgets})}
    if known.method == asked.method and not set(_flat(asked.settings)) <= set(_flat(known.settings)):
        changes["settings"] = plain(settings_of(METHODS[known.method], known.settings, stored=True))
    return known.model_copy(update=changes)


def difference(known: RunConfig, asked: RunConfig) -> str:
    """Where two configurations differ, the first three: "steps: 5 there, 3 asked; seeds: ...; and 2 more"."""
    there, here = (_leaves(config.model_dump(mode="json")) for config in (known, asked))
    keys = [key for key in {**there, **here} if there.get(key) != here.get(key)]
    texts = [
        f"{key.removeprefix('settings.')}: {there.get(key)!r:.60} there, {here.get(key)!r:.60} asked"
        for key in keys[:3]
    ]
    return "; ".join(texts) + (f"; and {len(keys) - 3} more" if len(keys) > 3 else "")


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} to {"a.b": 1}."""
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        leaves |= _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return leaves


def _group(given: dict[str, Any], name: str) -> dict[str, Any]:
    """Take the overrides of a group, as `suite`, out of `given`. ConfigError for a value in its place."""
    value = given.pop(name, {})
    if not isinstance(value, dict):
        raise ConfigError(
            f"--set {name}={value!r:.60}: {name} is a group; set one of its keys: {name}.KEY=VALUE"
        )
    return value


def _updated(kind: type[M], base: M, changes: Mapping[str, Any], what: str) -> M:
    try:
        return kind.model_validate(_merged(base.model_dump(), changes))
    except ValidationError as error:
        raise ConfigError(f"{what}.{_first(error)}") from error


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`changes` over `base`, key by key at every depth."""
    below = {k: old if isinstance(old := base.get(k), Mapping) else {} for k in changes}
    both = {k: _merged(below[k], v) if isinstance(v, dict) else v for k, v in changes.items()}
    return {**base, **both}


def _checked_budget(budget: Budget, suite: Suite) -> Budget:
    if budget.eval_episodes > suite.episodes:
        raise ConfigError(
            f"budget.eval_episodes is {budget.eval_episodes}, but {suite.name} pins {suite.episodes}"
        )
    return budget


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys = []
    for key, value in tree.items():
        is_group = isinstance(value, dict) and value  # an empty one is a value
        keys += _flat(value, f"{prefix}{key}.") if is_group else [f"{prefix}{key}"]
    return keys


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}, got {first['input']!r:.80}" if field else message
