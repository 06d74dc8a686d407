"""YAML that a user wrote: whatever is wrong in it is one line that says where it came from."""

from pathlib import Path

import pytest

from metanas.base import yaml_text
from metanas.base.errors import InvalidValue
from metanas.engine.config import parse_overrides
from metanas.space import strategy


@pytest.mark.parametrize(
    "text",
    [
        "[1",
        "{",
        "2024-02-30",
        "{a: 0b_}",
        "a: b: c",
        "\t- x",
        "&a [*b]",
        "\x00",
        '"\\ud800"',
        '{a: ["\\udfff"]}',
    ],
)
def test_bad_yaml_names_its_source(text: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="here is not YAML: ") as caught:
        yaml_text.parse(text, "here")
    assert "\n" not in str(caught.value)
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(InvalidValue, match="own.yaml is not YAML"):
        yaml_text.read(tmp_path / "own.yaml")
    with pytest.raises(InvalidValue, match="--set steps="):
        parse_overrides([f"steps={text}"])
    with pytest.raises(InvalidValue, match="own.yaml is not YAML"):
        strategy.as_text(str(tmp_path / "own.yaml"))


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_bytes(b"a: \xff\xfe")
    with pytest.raises(InvalidValue, match="own.yaml is not UTF-8"):
        yaml_text.read(tmp_path / "own.yaml")


def test_keys_of_any_kind_are_read() -> None:
    assert list(yaml_text.parse("2024-01-01: {1: é, null: 2}", "here").values()) == [{1: "é", None: 2}]


def test_what_is_right_is_read(tmp_path: Path) -> None:
    assert yaml_text.parse("{a: [1, 2.5, x]}", "here") == {"a": [1, 2.5, "x"]}
