"""config.yaml: written whole or not at all, read back to the same value, and guarded."""

import os
from pathlib import Path

import pytest

from metanas.base.errors import InvalidValue
from metanas.data.datasets import Datasets
from metanas.engine import config, run
from metanas.engine.config import ConfigError
from metanas.method import METHODS


def made() -> config.RunConfig:
    return config.resolve("maml", "mini-v1", domains=("langid",), seeds=(0,), overrides=("clip=.inf",))


def test_a_configuration_survives_its_file(tmp_path: Path) -> None:
    config.write(made(), tmp_path / "config.yaml")
    assert config.read(tmp_path / "config.yaml") == made()


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_kill_at_any_moment_of_its_writing_leaves_a_run_that_resumes(moment: str, tmp_path: Path) -> None:
    data = Datasets.open(made().suite)
    folder = tmp_path / "run"
    child = os.fork()
    if child == 0:  # dies in the middle of writing config.yaml
        if moment == "fsync":
            os.fsync = lambda file: os._exit(9)
        elif moment == "replace":
            Path.replace = lambda self, target: os._exit(9)  # type: ignore[assignment, method-assign]
        else:
            config.RunConfig.model_dump = lambda self, **options: os._exit(9)  # type: ignore[assignment]
        run.prepare(made(), folder, data)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not (folder / "config.yaml").exists()
    (seed_run,) = run.prepare(made(), folder, data)
    assert config.read(folder / "config.yaml") == seed_run.config == made()


@pytest.mark.parametrize("text", ["", "method: [", "method: maml", "- 1", "\x00"])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigError, match="config.yaml is damaged or from another version .*give") as raised:
        config.of_run(tmp_path)
    assert raised.value.exit_code == 3 and "\n" not in str(raised.value)


def test_other_settings_are_named() -> None:
    known = made()
    asked = known.model_copy(update={"settings": {**known.settings, "steps": 77}, "seeds": (8,), "trials": 3})
    text = config.difference(known, asked)
    assert text.startswith(f"steps: {known.settings['steps']} there, 77 asked; seeds: ")
    assert text.endswith("; trials: None there, 3 asked")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("suite=3", "suite is a group; set one of its keys"),
        ("budget=null", "budget is a group; set one of its keys"),
        ("suite.shots.x=1", "suite.shots"),
        ("steps={}", "steps: "),
        ("nothing={}", "no setting named 'nothing'"),
        ("steps=[1", "--set steps=.1 is not YAML"),
        ("space.strategy=[1]", "strategy"),
    ],
)
def test_a_value_in_place_of_a_group_or_the_other_way_is_named(override: str, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        config.resolve("maml", "mini-v1", overrides=(override,))


@pytest.mark.parametrize("name", ["maml", "reptile", "loo-nas"])
def test_a_stored_space_without_a_field_is_as_before_it_existed(name: str) -> None:
    """A method's own default may change; a run that was stored before the field existed means what it did."""
    settings = METHODS[name].Settings()
    stored = config.plain(settings)
    assert config.settings_of(METHODS[name], stored, stored=True) == settings
    del stored["space"]["levels"]
    assert config.settings_of(METHODS[name], stored, stored=True).space.levels == "shared"
    given = config.settings_of(METHODS[name], {"space": {"layers": 4}})
    assert given.space.levels == settings.space.levels, "what a user gives is filled up with the method's own"


@pytest.mark.parametrize("name", ["loo-nas", "protonet"])
def test_a_stored_run_without_a_setting_goes_on_as_it_was(name: str) -> None:
    """`Method.before` says what a setting meant before it existed."""
    asked = config.resolve(name, "mini-v1", overrides=("voices=0", "letters=0"))
    old = asked.model_copy(update={"settings": {**asked.settings}})
    for key in ("voices", "letters"):
        del old.settings[key]
    found = config.settings_of(METHODS[name], old.settings, stored=True)
    assert (found.voices, found.letters) == (0.0, 0.0)
    assert config.as_offered(old, asked) == asked
    other = config.resolve(name, "mini-v1", overrides=("voices=1",))
    assert config.as_offered(old, other) != other
