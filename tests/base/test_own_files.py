"""Files that metanas wrote and that were cut or replaced: one line says which, what is wrong, what to do."""

from functools import partial
from pathlib import Path

import pytest

from metanas.base import json_text, measured, yaml_text
from metanas.base.errors import DamagedFile, InvalidValue


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged .Expecting value"),
        (b'{"a": 1', "damaged .Expecting"),
        (b"[1]", "damaged .not an object: .1"),
        (b"\xff\xfea", "damaged .'utf"),
        (b"[" * 100_000, "damaged .nested too deeply"),
        (b"{}", "damaged .it has no 'a'"),
    ],
)
def test_a_damaged_json_file_says_what_to_do(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=f"costs.json is {message}.*; delete it") as raised:
        json_text.read(path, "delete it", keys=("a",))
    assert raised.value.exit_code == 3
    with pytest.raises(DamagedFile, match="none.json cannot be read .No such file.*; delete it"):
        json_text.read(tmp_path / "none.json", "delete it")


def test_a_damaged_line_is_named_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"a": 1}\n{"a"')
    with pytest.raises(DamagedFile, match="metrics.jsonl, line 2, is damaged"):
        list(json_text.read_lines(path, "delete it"))


def test_yaml_nested_too_deeply_is_no_traceback() -> None:
    with pytest.raises(InvalidValue, match="--set steps is not YAML: maximum recursion depth"):
        yaml_text.parse("[" * 600, "--set steps")


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"fastest": "warp"}'])
def test_a_damaged_measurement_is_measured_again(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cache/a.json"
    path.parent.mkdir()
    path.write_bytes(content)

    def fits(entry: measured.Entry) -> bool:
        return entry.get("fastest") in ("vmap", "loop")

    assert measured.once(path, lambda: {"fastest": "vmap"}, fits)["fastest"] == "vmap"
    assert measured.once(path, lambda: {"fastest": "loop"}, fits)["fastest"] == "vmap"


def test_a_cache_that_cannot_be_written_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file where the folder should be refuses root, too, which a read-only folder does not."""
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    for entry in ({"x": 1}, {"x": 2}):
        assert measured.once(tmp_path / "cache/a.json", partial(dict, entry), bool) == entry
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "cache cannot be written" in said and "METANAS_CACHE" in said
