"""A newcomer's first hour: the lines of CONTRIBUTING.md, run as they stand, lead to a submitted result."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from metanas.cli import scaffold
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
PARTS = ("metanas", "tasks", "baselines", "leaderboard", "tests")


def lines() -> str:
    """The commands under "From nothing to the board"."""
    section = (ROOT / "CONTRIBUTING.md").read_text().partition("## From nothing to the board\n")[2]
    return "".join(re.findall(r"^    (.*\n)", re.split("\n##+ ", section)[0], flags=re.MULTILINE))


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project to write into."""
    for part in PARTS:
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.slow  # a minute on a quiet machine: a whole run of mini-v1's smallest budget
def test_the_lines_of_contributing_lead_to_a_submitted_result(checkout: Path) -> None:
    """Word for word, but for the smallest budget, a free port, and the end of the server."""
    text, port = lines(), free_port()
    assert "metanas submit" in text
    quick = (
        text.replace("small", "smoke")
        .replace("serve &", f"serve --port {port} &")
        .replace(
            "sleep 5",
            "for i in $(seq 100); do (echo > /dev/tcp/127.0.0.1/$PORT) 2>/dev/null && break; sleep 0.2; done",
        )
    )
    for name, words in (("metanas", "-m metanas "), ("python", "")):
        program = checkout / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{checkout / 'bin'}:{os.environ['PATH']}",
        "METANAS_SERVER": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        "COLUMNS": "200",
        "PYTEST_ADDOPTS": "",
    }
    script = f"set -e\ntrap 'kill $(jobs -p)' EXIT\n{quick}metanas leaderboard show\n"
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environment, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "1 passed" in done.stdout, "its test"
    assert "published" in done.stdout
    assert re.search(r"my-method", done.stdout.rpartition("published")[2]), "it is on the board"


@pytest.mark.parametrize("like", ["reptile", "scratch", "protonet", "maml"])
def test_a_method_can_begin_from_another(like: str, checkout: Path) -> None:
    method, test = scaffold.begin("x-net-2", like, checkout)
    source = method.read_text()
    assert 'register("x-net-2")' in source and f'register("{like}")' not in source
    assert "class XNet2" in source
    for path in (method, test):
        compile(path.read_text(), str(path), "exec")


@pytest.mark.parametrize(
    ("name", "like", "message"),
    [
        ("My Method", "reptile", "a method is named in lower-case letters, digits and single hyphens"),
        ("maml", "reptile", "there is a method named 'maml' already"),
        ("new", "reptil", "no method named 'reptil'; did you mean 'reptile'?"),
    ],
)
def test_a_name_that_cannot_be_used_says_why(name: str, like: str, message: str, checkout: Path) -> None:
    with pytest.raises((ValueError, KeyError), match=re.escape(message)):
        scaffold.begin(name, like, checkout)


def test_a_file_is_never_overwritten(checkout: Path) -> None:
    (checkout / "baselines" / "mine.py").write_text("precious")
    with pytest.raises(ValueError, match="mine.py is there already"):
        scaffold.begin("mine", "reptile", checkout)
