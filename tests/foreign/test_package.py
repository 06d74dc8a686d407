"""A package of somebody else's, installed in an environment of its own, goes the whole way to a board.

`package/` has a domain of every source, a method, a network and a suite. Nothing is downloaded. The board is
served by an environment that has neither the package nor its data.
"""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.foreign import data
from tests.foreign.person import Person, environment
from tests.ports import free_port
from tests.rooms import ROOT

DOMAINS = ("field-clothes", "field-leaves", "field-letters", "field-notes", "field-rings", "field-words")
ABOUT = "--author A --contact a@example.org --family metric-based --summary Cosines. --trials 1".split()


@pytest.fixture
def author(tmp_path: Path) -> Iterator[Person]:
    """The package's author: its source and an environment with it, editable, and the data."""
    home, python = tmp_path / "author", environment(tmp_path / "venv")
    shutil.copytree(ROOT / "tests/foreign/package", home / "package")
    data.make(home / "data")
    with closing(Person(home, python, METANAS_DATA="data")) as person:
        person.install(home / "package")
        yield person


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Person]:
    """A board's administrator, whose board is served while the test runs."""
    home = tmp_path / "keeper"
    home.mkdir()
    port = free_port()
    person = Person(home, Path(sys.executable), METANAS_LEADERBOARD="board.db", PORT=str(port))
    command = [sys.executable, "-m", "metanas", "leaderboard", "serve", "--port", str(port)]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=home, env=person.env, stdout=log, stderr=log)
        with closing(person):
            yield person
        server.terminate()
        server.wait(20)


def wait_for(port: int) -> None:
    for _ in range(600):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the board was not there after a minute")


@pytest.mark.timeout(600)
def test_a_foreign_package_from_installation_to_the_board(author: Person, keeper: Person) -> None:
    listed = author.says("list", "domains")
    assert all(name in listed for name in DOMAINS) and "left out" not in listed
    pinned = author.says("suite", "pin", "field-v1")
    assert all(f"{name:<16} new" in pinned for name in DOMAINS)
    assert (author.home / "package/fieldwork/field-v1.manifest.json").is_file()

    ran = ("--suite", "field-v1", "--budget", "smoke", "--jobs", 1, "--set", "network.kind=field-bag")
    author.says("run", "--method", "field-cosine", "--method", "protonet", "--out", "runs", *ran)
    compared = author.says("compare", "runs/field-cosine", "runs/protonet")
    assert "field-cosine" in compared and "protonet" in compared

    study = ("--train", "field-notes", "--test", "field-letters", "--seeds", "0,1", "--out", "study")
    assert "field-letters" in author.says("transfer", "--method", "field-cosine", *study, *ran)

    assert author.says("pack", "runs/field-cosine", *ABOUT).startswith("runs/field-cosine.zip")
    wait_for(int(keeper.env["PORT"]))
    author.env["METANAS_SERVER"] = f"http://127.0.0.1:{keeper.env['PORT']}"
    author.env["METANAS_TOKEN"] = keeper.says("leaderboard", "token", "create", "author").split()[0]
    refused = author.says("submit", "runs/field-cosine.zip", code=4)
    assert "field-v1" in refused and "metanas leaderboard suite add" in refused

    keeper.says("leaderboard", "suite", "add", author.home / "package/fieldwork/field-v1.yaml")
    assert "published" in author.says("submit", "runs/field-cosine.zip")
    assert "field-cosine" in keeper.says("leaderboard", "show")
    assert "field-rings" not in keeper.says("list", "domains")
