import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS
from metanas.data.store import folder_of, open_store

ROOT = Path(__file__).parents[2]
BUILD = "from metanas.data.store import open_store; print(open_store('langid').fingerprint)"


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of langid's store, copied into a cache of its own."""
    built = open_store("langid").path
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))
    shutil.copytree(built, folder_of("langid", None))
    return folder_of("langid", None)


def start(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_two_processes_that_build_at_once_both_get_the_whole_store(fresh: Path) -> None:
    both = [start(BUILD) for _ in range(2)]
    answers = {process.communicate(timeout=120)[0].strip() for process in both}
    assert answers == {open_store("langid").fingerprint}


def test_sixty_kills_at_random_moments_leave_no_half_store(fresh: Path) -> None:
    words = [sys.executable, "-m", "tests.data.kill_store", "60"]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, timeout=200)
    assert done.returncode == 0, done.stderr
    moments = json.loads(done.stdout)
    assert moments["during"] >= 5 and moments["after"] >= 1, moments


@pytest.mark.parametrize("name", ["x.npy", "labels.npy", "extra.json"])
@pytest.mark.parametrize("damage", ["flipped", "truncated", "gone"])
def test_a_damaged_store_is_named(name: str, damage: str, copied: Path) -> None:
    file = copied / name
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content if damage == "flipped" else content[: len(content) // 2])
    if damage == "gone":
        file.unlink()
    with pytest.raises(DataError, match=rf"is damaged \(.*{name}.*delete that folder"):
        open_store("langid")


def test_what_is_drawn_can_be_changed_without_changing_the_cache(copied: Path) -> None:
    x = open_store("langid").examples.x
    before = x[0].copy()
    x[0] = 7
    assert (np.asarray(open_store("langid").examples.x)[0] == before).all()


def test_a_cache_that_cannot_be_written_is_read_or_named(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path, copied):
        folder.chmod(0o555)  # root writes all the same; what is built is read without writing
    before = sorted(tmp_path.iterdir())
    open_store("langid")
    assert sorted(tmp_path.iterdir()) == before
    for folder in (tmp_path, copied):
        folder.chmod(0o755)
    (tmp_path / "file").touch()
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="the cache folder .*file cannot be written .*METANAS_CACHE"):
        open_store("langid")


def test_a_store_of_text_is_built_and_opened_without_torch(fresh: Path) -> None:
    for _ in range(2):
        code = f"{BUILD}; import sys; print('torch' in sys.modules)"
        assert start(code).communicate(timeout=120)[0].splitlines()[-1] == "False"


@pytest.mark.parametrize(
    "fault", [ValueError("no number"), IndexError("row 7"), KeyError("label"), TypeError("x")]
)
def test_what_an_adapter_stumbles_over_names_domain_and_files(
    fault: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))

    def load(self: object, root: Path | None) -> None:
        raise fault

    monkeypatch.setattr(DOMAINS["langid"], "load", load)
    with pytest.raises(DataError, match=rf"langid: .* cannot be read .{type(fault).__name__}: .*--debug"):
        open_store("langid")
    assert not [path for path in tmp_path.iterdir() if path.is_dir()], "nothing half-built is left"
