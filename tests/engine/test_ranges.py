"""Settings have ranges: every number of every method, suite, budget and run, checked before the work."""

import dataclasses
import math
import re
from pathlib import Path

import pytest
import yaml

from metanas.base.plugins import PluginError
from metanas.base.ranges import Range
from metanas.cli import app
from metanas.engine import config, fields
from metanas.engine.config import ConfigError
from metanas.engine.fields import Setting
from metanas.engine.seed_run import build
from metanas.method import METHODS
from metanas.studies.tune import ranges

NUMBERS = (int, float)
OF_ALL = {s.key for s in fields.settings(METHODS["chance"].Settings) if not s.key.startswith("space.")}


def every_setting(method: str) -> list[Setting]:
    try:
        return fields.settings(METHODS[method].Settings)
    except PluginError as error:  # an extra that is not installed
        pytest.skip(f"NOT RUN: {error}")


def outside(setting: Setting) -> list[float]:
    """Values just out of a range, and those that are in none."""
    bounds = setting.range
    assert bounds is not None
    step = 1 if setting.kind is int else 1e-9
    ends = [
        bounds.least if bounds.least is None else bounds.least - step,
        bounds.most if bounds.most is None else bounds.most + step,
        bounds.above,
        bounds.below,
    ]
    never = [math.nan, math.inf] if bounds.finite else [math.nan]
    return [end for end in ends if end is not None] + ([] if setting.kind is int else never)


def override(setting: Setting, value: float) -> str:
    key = setting.key.replace("DOMAIN", "langid")
    text = config.as_overrides({"x": value})[0].removeprefix("x=")
    return f"{key}=[{text}]" if setting.values.startswith("list") else f"{key}={text}"


@pytest.mark.parametrize("method", tuple(METHODS))
def test_every_number_has_a_range_and_nothing_beyond_it_is_taken(method: str) -> None:
    numbers = [s for s in every_setting(method) if s.kind in NUMBERS and s.key not in OF_ALL]
    assert not [s.key for s in numbers if s.range is None]
    for setting in numbers:
        for value in outside(setting):
            with pytest.raises(ConfigError, match=rf"^{setting.key}.* must be {setting.range}, got"):
                config.settings_of(METHODS[method], config.parse_overrides([override(setting, value)]))


def test_nothing_beyond_its_range_is_taken_for_suite_budget_and_run() -> None:
    numbers = [s for s in every_setting("chance") if s.kind in NUMBERS and s.key in OF_ALL]
    assert not [s.key for s in numbers if s.range is None]
    for setting in numbers:
        for value in outside(setting):
            with pytest.raises(ConfigError, match=r"(must be|a number)"):
                config.resolve("chance", "mini-v1", overrides=(override(setting, value),))


@pytest.mark.parametrize("method", tuple(METHODS))
def test_every_default_lies_in_its_range(method: str) -> None:
    settings = {s.key: s for s in every_setting(method)}
    kind = METHODS[method]
    assert config.settings_of(kind, {}) == kind.Settings()  # checked on the way
    assert settings.keys() >= set(config.known_keys(kind.Settings))


@pytest.mark.parametrize("text", ["clip=-1", "steps=-1", "weight_rate=.nan", "budget.eval_episodes=1"])
def test_a_run_refuses_before_it_makes_a_file(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = f"metanas run --method maml --domains langid --budget smoke --seeds 0 --set {text}"
    monkeypatch.setattr("sys.argv", words.split())
    with pytest.raises(SystemExit) as ended:
        app.main()
    assert ended.value.code == 2
    assert re.match(rf"metanas: {text.partition('=')[0]}: must be .*, got \S+\n$", capsys.readouterr().err)
    assert not list(tmp_path.iterdir())


def test_one_test_episode_is_refused_with_the_reason() -> None:
    with pytest.raises(ConfigError, match="must be at least 2 .an interval of accuracies needs two., got 1"):
        config.resolve("maml", "mini-v1", overrides=("budget.eval_episodes=1",))


def test_what_is_stored_is_read_with_values_that_are_refused_today(tmp_path: Path) -> None:
    good = config.resolve("maml", "mini-v1", domains=("langid",), overrides=("network.kind=conv4",))
    stored = good.model_dump(mode="json")
    stored["settings"] |= {"clip": -1.0, "steps": -1}
    stored["budget"]["eval_episodes"] = 1
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(stored))
    read = config.of_run(tmp_path)
    assert (read.budget.eval_episodes, read.settings["clip"]) == (1, -1.0)
    method = build(read, [])
    assert method.settings.clip == -1.0  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="clip: must be more than 0, or .inf, got -1.0"):
        config.settings_of(METHODS["maml"], stored["settings"] | {"steps": 1})


def test_a_search_beyond_a_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="--over weight_rate: must be at least 0, got -1.0"):
        ranges("maml", ["weight_rate=-1.0..1.0"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("second_order=true|maybe", "second_order: .*'maybe'"),
        ("steps=1|x", "steps: .*'x'"),
        ("steps=1.5..2.5", "steps: .*1.5"),
        ("steps=1.0..3.0", "steps: .*2.2"),
        ("clip=1.0..1e39", "clip: .*float32 holds no larger one|--over clip: must be more than 0"),
    ],
)
def test_a_search_over_a_value_that_cannot_be_is_refused_before_a_trial(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ranges("maml", [text])


@pytest.mark.parametrize("text", ["clip=1e300", "outer_weight_rate=1e39"])
def test_what_float32_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="float32 holds no larger one"):
        config.resolve("maml", "mini-v1", overrides=[text])


def test_a_setting_of_another_package_may_have_no_range() -> None:
    @dataclasses.dataclass(frozen=True)
    class Settings:
        free: float = 1.0

    (setting,) = fields.of(Settings, defaults=Settings())
    assert (setting.range, setting.values) == (None, "number")


def test_a_range_says_what_it_holds() -> None:
    assert str(Range(least=0, below=1)) == "at least 0, less than 1"
    assert 0 in Range(least=0, below=1) and 1 not in Range(least=0, below=1)
    assert math.inf in Range(above=0, finite=False) and math.nan not in Range()


def test_the_settings_of_a_method_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["metanas", "list", "settings", "maml"])
    with pytest.raises(SystemExit):
        app.main()
    lines = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r"clip +more than 0, or \.inf +1\.0", line) for line in lines)
    assert any(re.fullmatch(r"budget\.eval_episodes +at least 2", line) for line in lines)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("suite.shots=[1,1]", "1 stands 2 times, each may stand once"),
        ("suite.domains=[langid,langid]", "'langid' stands 2 times"),
        ("suite.domains=[bogus]", "there is no domain 'bogus'"),
        ("suite.options.bogus.ways=5", "mini-v1 has no domain 'bogus'; it has: digits"),
    ],
)
def test_a_task_stands_once_and_options_belong_to_a_domain(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config.resolve("chance", "mini-v1", overrides=[override])
