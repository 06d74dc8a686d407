"""A cache is found again for the same content alone: changed, moved or repaired data is read anew."""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from metanas.base.errors import DataError
from metanas.data import identity, prepare
from metanas.data.adapter import DOMAINS, Adapter, Examples
from metanas.data.store import folder_of, is_ready, open_store


class Cards(Adapter):
    """Every file of the folder `cards` is a class of four examples: its bytes."""

    modality = "image"
    licence = citation = "none"
    synthetic = False
    packages = ()
    recipe = "v1"
    loads = 0

    def locate(self, root: Path | None) -> Sequence[Path]:
        assert root is not None
        return [root / "cards"]

    def load(self, root: Path | None) -> Examples:
        Cards.loads += 1
        files = sorted(self.locate(root)[0].iterdir())
        x = np.stack([np.frombuffer(file.read_bytes(), np.uint8) + k for file in files for k in range(4)])
        names = tuple(file.stem for file in files)
        return Examples(
            x.reshape(-1, 1, 2, 2), np.arange(len(x)) // 4, names, {"test": names}, source=x.tobytes().hex()
        )


@pytest.fixture
def cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder with two classes, a cache of its own, and the domain "cards"."""
    monkeypatch.setitem(DOMAINS._things, "cards", Cards)
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    return made(tmp_path / "data")


def made(root: Path, content: bytes = b"abcd") -> Path:
    (root / "cards").mkdir(parents=True)
    for name in ("ace", "king"):
        (root / "cards" / f"{name}.bin").write_bytes(content)
    return root


def test_a_file_that_is_repaired_inside_a_folder_is_seen(cards: Path) -> None:
    folder = cards / "cards"
    before, when = open_store("cards", cards).fingerprint, folder.stat()
    (folder / "king.bin").write_bytes(b"efgh")  # the folder's own time stays
    assert folder.stat().st_mtime_ns == when.st_mtime_ns
    assert open_store("cards", cards).fingerprint != before


def test_a_relative_data_folder_is_each_project_s_own(
    cards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prints = []
    for project, content in (("one", b"abcd"), ("two", b"efgh")):
        made(tmp_path / project / "data", content)
        monkeypatch.chdir(tmp_path / project)
        prints.append(open_store("cards", Path("data")).fingerprint)
    assert prints[0] != prints[1]
    assert folder_of("cards", Path("data")) == folder_of("cards", tmp_path / "two" / "data")


def test_paths_may_be_text_and_are_a_list(cards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = folder_of("cards", cards)
    monkeypatch.setattr(Cards, "locate", lambda self, root: [str(root / "cards")])
    assert folder_of("cards", cards) == expected
    for wrong in (str(cards), cards, None):
        monkeypatch.setattr(Cards, "locate", lambda self, root, wrong=wrong: wrong)
        with pytest.raises(DataError, match="cards: locate returned .*; it returns a list of paths"):
            folder_of("cards", cards)


def test_what_is_unchanged_is_not_read_again(cards: Path) -> None:
    open_store("cards", cards)
    loads = Cards.loads
    open_store("cards", cards)
    assert (Cards.loads, is_ready("cards", cards)) == (loads, True)


def test_refresh_reads_again_and_leaves_what_is_open(cards: Path) -> None:
    opened, loads = open_store("cards", cards), Cards.loads
    (ready,) = prepare.prepare(["cards"], cards)
    (built,) = prepare.prepare(["cards"], cards, refresh=True)
    assert (ready.action, built.action, Cards.loads) == ("ready", "built", loads + 1)
    assert bytes(opened.examples.x[0].tobytes()) == b"abcd"
    assert [path.name for path in opened.path.parent.iterdir() if path.is_dir()] == [opened.path.name]


def test_files_that_change_while_they_are_read_make_no_cache(
    cards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Cards.load

    def changing(self: Cards, root: Path | None) -> Examples:
        examples = load(self, root)
        (cards / "cards" / "queen.bin").write_bytes(b"ijkl")
        return examples

    monkeypatch.setattr(Cards, "load", changing)
    with pytest.raises(DataError, match="its files changed while they were read"):
        open_store("cards", cards)
    monkeypatch.undo()


def test_the_code_of_generated_data_and_what_it_imports_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "made_here"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rules.py").write_text("SIDES = 6\n")
    (package / "dice.py").write_text("from made_here.rules import SIDES\nclass Dice:\n    synthetic = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    from made_here.dice import Dice  # type: ignore[import-not-found]

    codes = []
    for sides in (6, 6, 8):
        (package / "rules.py").write_text(f"SIDES = {sides}\n")
        identity._sources.cache_clear()
        codes.append(identity.code(Dice))
    identity._sources.cache_clear()
    sys.modules.pop("made_here.dice")
    assert codes[0] == codes[1] != codes[2]
    assert identity.code(Cards) == ""  # files stand for themselves


def test_splits_of_a_domain_of_files_decide() -> None:
    names = [part[0] for part in identity.settings("fsdd", DOMAINS["fsdd"]) if isinstance(part, tuple)]
    assert names == ["digits_half_test.txt", "digits_half_train.txt"]


def test_verify_tells_whole_missing_damaged_and_other_data(
    cards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state() -> str:
        (checked,) = prepare.verify(["cards"], cards)
        return checked.state

    assert state() == "missing"
    store = open_store("cards", cards)
    assert state() == "whole"  # no suite has it
    monkeypatch.setattr(
        "metanas.data.manifest.read", lambda suite: {"cards": {"full": {"fingerprint": "another"}}}
    )
    (other,) = prepare.verify(["cards"], cards)
    assert (other.state, other.is_good) == ("other", False) and "--refresh" in other.detail
    (store.path / "x.npy").write_bytes(b"")
    assert state() == "damaged"
