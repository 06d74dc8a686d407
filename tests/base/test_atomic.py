"""Files are written whole or not at all; a kill leaves no litter."""

import os
import signal
import sys
from pathlib import Path

import pytest

from metanas.base import atomic
from metanas.base.atomic import atomic_file, check_writable, write_atomically


@pytest.mark.parametrize("named", [False, True])
def test_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool) -> None:
    """Also where the system has no files without a name."""
    if named:
        monkeypatch.setattr(atomic, "_DESCRIPTORS", "/nowhere")
    path = tmp_path / "file"
    write_atomically(path, b"one")
    with pytest.raises(ZeroDivisionError), atomic_file(path) as file:
        file.write(b"two")
        raise ZeroDivisionError
    assert path.read_bytes() == b"one"
    write_atomically(path, b"three")
    assert path.read_bytes() == b"three"
    assert os.listdir(tmp_path) == ["file"]
    assert path.stat().st_mode == check_mode(tmp_path / "plain")


def check_mode(path: Path) -> int:
    """The mode of a file that is made as usual."""
    path.touch()
    return path.stat().st_mode


def test_an_error_names_the_file_that_was_to_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing/file"):
        write_atomically(tmp_path / "missing" / "file", b"")
    with pytest.raises(TimeoutError, match="^late$"), atomic_file(tmp_path / "file"):
        raise TimeoutError("late")  # not ours, and nothing about a disk
    with pytest.raises(OSError, match="No space left.*file"), atomic_file(tmp_path / "file"):
        raise OSError("80 requested and 0 written")  # numpy's, on a full disk
    (tmp_path / "file").mkdir()
    with pytest.raises(IsADirectoryError, match="file"):
        write_atomically(tmp_path / "file", b"")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no files without a name")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_kill_while_writing_leaves_nothing(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with atomic_file(tmp_path / "file") as file:
            file.write(b"half")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert os.listdir(tmp_path) == []
    check_writable(tmp_path)
    assert os.listdir(tmp_path) == []
