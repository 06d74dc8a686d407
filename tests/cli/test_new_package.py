"""`metanas new-package` outside a checkout: pip installs it, its tests pass, `metanas check` sees it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from metanas.base.errors import InvalidValue
from metanas.cli import package
from metanas.cli.app import app
from tests import foreign

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder in which the package lies, and the one that pip put it in."""
    folder, target = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("site")
    done = CliRunner().invoke(app, ["new-package", "ours-x1", "--like", "scratch", "--root", str(folder)])
    assert done.exit_code == 0, done.output
    words = ["install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    where = {"TMPDIR": str(folder), "PYTHONPATH": ""}
    subprocess.run(
        [sys.executable, "-m", "pip", *words, str(folder / "ours-x1")],
        env={**os.environ, **where},
        check=True,
    )
    return folder / "ours-x1", target


def passed(installed: tuple[Path, Path], *words: str) -> str:
    """The output of the package's own tests, all of which pass."""
    folder, target = installed
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{target}{os.pathsep}{ROOT}", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_its_own_tests_pass(installed: tuple[Path, Path]) -> None:
    quick = "domain or takes_inputs or answers_with_probabilities"
    assert "12 passed, 20 deselected" in passed(installed, "-k", quick)


@pytest.mark.slow  # half a minute: `make test` runs the same rules on the built-in plug-ins
def test_all_of_its_own_tests_pass(installed: tuple[Path, Path]) -> None:
    assert "32 passed" in passed(installed), "11 rules of a method, 10 of a domain, 11 of a network"


def test_check_shows_a_line_a_rule(installed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with foreign.on_path(installed[1], monkeypatch):
        done = CliRunner().invoke(app, ["check", "domain", "ours-x1"])
        assert done.exit_code == 0, done.output
        assert "ok      Reading the source again gives the same examples" in done.output
        assert "-       No voice is heard in two splits. (of speech alone)" in done.output
        assert len(done.output.splitlines()) == 10


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("My", "a method is named in lower-case letters, digits and single hyphens, got 'My'"),
        ("maml", "there is a method named 'maml' already"),
        ("langid", "there is a domain named 'langid' already"),
        ("json", "there is a Python module named 'json' already"),
        ("class", "there is a Python module named 'class' already"),
        ("there", "there is there already"),
    ],
)
def test_a_name_that_cannot_be_used_says_why(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(InvalidValue, match=message):
        package.make(name, ("method", "domain", "network"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
