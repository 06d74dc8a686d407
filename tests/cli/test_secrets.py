"""A token, a database's password and wandb's key are planted everywhere: none is shown or stored."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metanas.cli import app
from tests.leaderboard import bundles

PLANTED = "planted0123456789planted0123456789planted"
DATABASE = f"postgresql://ada:{PLANTED}@localhost:1/board"
HIDDEN = f"postgresql://ada@localhost:1/board?password={PLANTED}"
RUN = "run --method chance --domains langid --budget smoke --seeds 0 --jobs 1 --no-controls --out run"
SHORT = ("--set", "budget.eval_episodes=2", "--set", "tracking=wandb")
TUNE = "tune protonet --domains langid --budget smoke --trials 1 --storage"

Metanas = Callable[..., tuple[int, str]]


@pytest.fixture
def metanas(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Metanas:
    """The program in this process: its exit code, and what it printed to both streams."""

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["metanas", *words])
        with pytest.raises(SystemExit) as ended:
            app.main()
        printed = capfd.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return run


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundles.zipped(tmp_path / "finished"))
    return path


@pytest.mark.parametrize("token", [f"mnas_{PLANTED}\nmore", f"mnas {PLANTED}", f"mnas_\u00e9{PLANTED}"])
def test_a_token_with_a_line_break_is_not_echoed(token: str, bundle: Path, metanas: Metanas) -> None:
    code, printed = metanas("submit", str(bundle), "--token", token)
    assert code == 2 and "the token has a space, a line break or another" in printed
    assert PLANTED not in printed


def test_a_line_break_at_the_end_of_a_token_is_no_part_of_it(bundle: Path, metanas: Metanas) -> None:
    words = ("submit", str(bundle), "--token", f"mnas_{PLANTED}\n", "--server", "http://127.0.0.1:1")
    code, printed = metanas(*words)
    assert code == 4 and "http://127.0.0.1:1 cannot be reached" in printed and PLANTED not in printed


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("status", "x", "--server", f"http://ada:{PLANTED}@127.0.0.1:1"), 4),
        (("status", "x", "--server", f"http://ada:{PLANTED}@127.0.0.1:port"), 4),
        *(
            (("status", "x", "--server", url), 4)
            for url in (
                f"ada:{PLANTED}@127.0.0.1:1",
                f"http://ada:a/{PLANTED}@127.0.0.1:1",
                f"http://ada:{PLANTED}/a@127.0.0.1:1",
                f"http://ada:a@{PLANTED}@127.0.0.1:1",
                f"http://ada:a?{PLANTED}@127.0.0.1:1",
                f"http://ada:{PLANTED}#a@127.0.0.1:1",
                f"http://127.0.0.1:1/?key={PLANTED}",
            )
        ),
        *(
            (("leaderboard", "show", "--db", url), code)
            for url, code in (
                (f"postgresql://ada:a@{PLANTED}@127.0.0.1:1/x", 3),
                (f"postgresql://ada:{PLANTED}/a@127.0.0.1:1/x", 3),
                (f"ada:{PLANTED}@127.0.0.1/x", 2),
            )
        ),
        ((*TUNE.split(), f"postgresql://ada:a@{PLANTED}@127.0.0.1:1/x"), 3),
        (("leaderboard", "show", "--db", DATABASE), 3),
        (("leaderboard", "show", "--db", HIDDEN), 3),
        (("leaderboard", "serve", "--port", "0", "--db", DATABASE), 3),
        (("leaderboard", "token", "list", "--db", f"mysql://ada:{PLANTED}@localhost/x"), 2),
        ((*TUNE.split(), DATABASE), 3),
        ((*TUNE.split(), HIDDEN), 3),
        ((*TUNE.split(), f"nonsense:{PLANTED}@x"), 3),
    ],
)
def test_no_message_shows_a_secret(
    words: tuple[str, ...], code: int, metanas: Metanas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METANAS_TOKEN", f"mnas_{PLANTED}")
    ended, printed = metanas(*words)
    assert ended == code, printed
    assert PLANTED not in printed and "Traceback" not in printed


@pytest.mark.filterwarnings("ignore")  # wandb's own
def test_nothing_that_a_run_stores_or_wandb_gets_holds_a_secret(
    metanas: Metanas, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("METANAS_TOKEN", f"mnas_{PLANTED}")
    monkeypatch.setenv("WANDB_API_KEY", PLANTED)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("WANDB_SILENT", "true")
    code, printed = metanas(*RUN.split(), *SHORT, "--db", DATABASE)
    assert code == 3 and "ada:***@localhost:1/board cannot be used" in printed and PLANTED not in printed
    code, printed = metanas(*RUN.split(), *SHORT, "--db", "board.db")
    assert code == 0 and PLANTED not in printed
    assert metanas("pack", "run", "--author", "A", "--contact", "a@b.org", "--family", "other",
                   "--summary", "x", "--trials", "1")[0] in (0, 3)  # fmt: skip
    stored = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"config.yaml", "submission.json"} <= {path.name for path in stored}
    assert any(path.suffix == ".wandb" for path in stored)
    assert not [path for path in stored if PLANTED.encode() in path.read_bytes()]
