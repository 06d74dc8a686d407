import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from metanas.store import DataError, folder_of, open_store

BUILD = "from metanas.store import open_store; print(open_store('langid').fingerprint)"


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path))
    return tmp_path


def start(code: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def test_two_processes_that_build_at_once_both_get_the_whole_store(fresh: Path) -> None:
    both = [start(BUILD) for _ in range(2)]
    answers = {process.communicate(timeout=120)[0].strip() for process in both}
    assert answers == {open_store("langid").fingerprint}


def test_a_kill_at_any_moment_leaves_no_half_store(fresh: Path) -> None:
    moments = random.Random(0)
    for _ in range(12):
        process = start(BUILD)
        time.sleep(moments.uniform(0.05, 1.2))
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        for folder in fresh.glob("langid-*"):
            if folder.is_dir():
                open_store("langid")  # whole, by its own hashes
                break
    assert open_store("langid").examples.x.shape[1] == 24


def test_a_damaged_store_is_named(fresh: Path) -> None:
    open_store("langid")
    file = folder_of("langid", None) / "labels.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(
        DataError, match=r"is damaged \(labels.npy does not have the SHA-256.*delete that folder"
    ):
        open_store("langid")
