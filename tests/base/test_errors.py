"""One base class for what a user can mend; everything else shows its traceback."""

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from metanas.base import plugins
from metanas.base.errors import DataError, InvalidValue, MetanasError
from metanas.base.registry import UnknownName
from metanas.cli import app
from metanas.evaluation.result import ResultError
from tests import rooms


def error_classes() -> list[tuple[str, str]]:
    """(module, name) of every public exception class of the four packages."""
    found = []
    for module, path in rooms.modules().items():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            bases = {ast.unparse(base) for base in node.bases} if isinstance(node, ast.ClassDef) else set()
            is_error = any(base.endswith(("Error", "Exception", "Value")) for base in bases)
            if isinstance(node, ast.ClassDef) and is_error and not node.name.startswith("_"):
                found.append((module, node.name))
    return found


@pytest.mark.parametrize(("module", "name"), error_classes())
def test_every_error_class_has_an_exit_code(module: str, name: str) -> None:
    internal = {
        "ScorerDied",
        "NotSealable",
        "Missing",
        "Busy",
        "Denied",
        "QuotaExceeded",
        "CheckFailed",
        "NotApplicable",
    }  # of servers, and of `metanas check`, which reports them as lines
    kind = getattr(plugins.load(module), name)
    assert name in internal or (issubclass(kind, MetanasError) and 2 <= kind.exit_code <= 4), kind.__mro__


def test_errors_keep_the_builtin_class_that_callers_catch() -> None:
    assert issubclass(InvalidValue, ValueError)
    assert issubclass(UnknownName, KeyError)
    assert ResultError.exit_code == 3 and DataError.exit_code == 2


def ended(
    error: BaseException,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str]:
    """The exit code and stderr of a command that raises `error`."""

    def fails(*given: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(app, "app", fails)
    monkeypatch.setattr(sys, "argv", ["metanas", *words])
    with pytest.raises(SystemExit) as stopped:
        app.main()
    return int(stopped.value.code or 0), capsys.readouterr().err


def test_what_a_user_can_mend_is_one_line_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(InvalidValue("shots must be positive, got 0"), ["run"], monkeypatch, capsys) == (
        2,
        "metanas: shots must be positive, got 0\n",
    )
    assert ended(ResultError("predictions.parquet: damaged"), ["run"], monkeypatch, capsys)[0] == 3
    assert ended(FileNotFoundError(2, "No such file", "a.yaml"), ["run"], monkeypatch, capsys)[0] == 2


@pytest.mark.parametrize(
    "error", [ValueError("a bug"), KeyError("x"), RuntimeError("y"), ZeroDivisionError()]
)
def test_everything_else_is_a_bug_and_keeps_its_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(type(error)):
        ended(error, ["run"], monkeypatch, capsys)


def test_debug_shows_every_traceback_wherever_it_stands(tmp_path: Path) -> None:
    for words in (["--debug", "list", "method"], ["list", "method", "--debug"]):
        done = subprocess.run(
            [sys.executable, "-m", "metanas", *words], capture_output=True, text=True, cwd=rooms.ROOT
        )
        assert done.returncode == 1 and "Traceback" in done.stderr, done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "metanas", "list", "method"], capture_output=True, text=True, cwd=rooms.ROOT
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)


def test_an_unknown_name_comes_back_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(UnknownName("method", "mamll", ("maml",))))
    assert isinstance(error, UnknownName) and str(error) == "no method named 'mamll'; did you mean 'maml'?"
