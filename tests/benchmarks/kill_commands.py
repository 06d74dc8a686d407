"""Commands are killed at random moments and given again: nothing is lost, doubled or half-written.

    python -m tests.benchmarks.kill_commands [kills per command, default 50] [COMMAND ...]

`run`, `grid`, `tune`, `data prepare`, `submit` and `leaderboard export`, on the smallest task. Each command
is forked from this process, which has imported everything, so that the kills fall into the work; its workers
do their pieces in that process (kills of workers: tests/base/test_executor.py, tests/engine/test_kill.py).
"""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.ports import free_port

SMALL = """--domains langid --budget smoke --set suite.shots=[1] --set suite.queries=3
    --set budget.iterations=4 --set budget.tasks=1""".split()
NETWORK = "--set space.layers=1 --set space.channels=4 --set space.ops=[conv3,skip]".split()
CONTROLS = "--no-controls --set budget.eval_episodes=10".split()


@dataclass(frozen=True)
class Case:
    """A command, the files that each attempt begins without, and what must be the same at the end."""

    words: Sequence[str]
    made: Sequence[str]
    outcome: Callable[[], Any]


def digest(*patterns: str) -> dict[str, str]:
    """SHA-256 of the files below this folder, by name."""
    files = {path for pattern in patterns for path in Path().glob(pattern) if path.is_file()}
    assert files, patterns
    return {path.as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files)}


def stored(db: str, data: Path | None = None) -> dict[str, Any]:
    """The submissions of a board, parsed, by id."""
    from sqlalchemy import select

    from leaderboard.store.models import Submission
    from leaderboard.store.store import Store

    store = Store(db, data)
    with store.database.read() as session:
        found = {row.id: row.parsed for row in session.scalars(select(Submission))}
    store.close()
    return found


def on_board(db: str) -> list[tuple[str, str]]:
    """Method and hash of the answers of each row of a board."""
    return sorted((row.method, row.predictions_sha256) for row in stored(f"sqlite:///{db}").values())


def trials(path: str) -> int:
    """Completed trials of the only study of a database; its values must be accuracies."""
    import optuna

    (study,) = optuna.get_all_study_summaries(f"sqlite:///{path}")
    ended = optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{path}").get_trials(
        states=(optuna.trial.TrialState.COMPLETE,)
    )
    assert all(0 <= trial.value <= 1 for trial in ended if trial.value is not None)
    return len(ended)


def fingerprint() -> str:
    """Of the domain in this folder's cache; every file is checked."""
    from metanas.data.store import open_store

    assert not list(Path("cache").rglob("*.part"))
    return open_store("langid").fingerprint


def receipt(db: str) -> int:
    """Number of submissions on the server; the receipt names one of them and is genuine."""
    from leaderboard.accounts import receipts

    known = stored(db, Path("served"))
    key = receipts.ServerKey.open(Path("served") / receipts.KEY).public
    assert receipts.verify(Path("bundle.receipt.json").read_text(), key)["submission_id"] in known
    return len(known)


def cases(server: str) -> dict[str, Case]:
    """All commands that are killed."""
    run = ["run", "--method", "maml", "--seeds", "0", *SMALL, *CONTROLS, *NETWORK, "--out", "run", "--db"]
    grid = [
        "grid",
        "--methods",
        "chance,scratch",
        "--seeds",
        "0,1",
        *SMALL,
        *CONTROLS,
        "--out",
        "grid",
        "--db",
    ]
    tune = ["tune", "maml", "--trials", "3", "--episodes", "5", *SMALL, *NETWORK, "--storage"]
    answers = "predictions.parquet"
    return {
        "run": Case(
            [*run, "run.db"], ("run", "run.db"), lambda: (digest(f"run/{answers}"), on_board("run.db"))
        ),
        "grid": Case(
            [*grid, "grid.db"],
            ("grid", "grid.db"),
            lambda: (digest(f"grid/**/{answers}"), on_board("grid.db")),
        ),
        "tune": Case(
            [*tune, "sqlite:///tune.db", "--over", "weight_rate=0.01..0.5"],
            ("tune.db",),
            lambda: trials("tune.db"),
        ),
        "data prepare": Case(["data", "prepare", "langid"], ("cache",), fingerprint),
        "submit": Case(
            ["submit", "bundle.zip", "--no-watch", "--server", server],
            ("bundle.receipt.json",),
            lambda: receipt("sqlite:///served.db"),
        ),
        "export": Case(
            ["leaderboard", "export", "site", "--db", "board.db"], ("site",), lambda: len(digest("site/**/*"))
        ),
    }


def start(words: Sequence[str]) -> int:
    """Give a command in a process of its own that leads its own group; returns its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        with Path("log").open("a") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        code = command(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command(words: Sequence[str]) -> int:
    """The exit code of `metanas WORDS`, worked in this process alone."""
    from metanas.base import executor
    from metanas.cli import app

    def inline(work: Any, pieces: Any, jobs: int, on_progress: Any) -> Any:
        return executor.run(work, pieces, jobs=1, kind="inline")

    executor._local = inline
    sys.argv = ["metanas", *words]
    try:
        app.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def finish(case: Case) -> None:
    """Give the command until it ends."""
    code = os.waitstatus_to_exitcode(os.waitpid(start(case.words), 0)[1])
    assert code == 0, f"code {code}: {Path('log').read_text()[-2000:]}"


def forget(case: Case) -> None:
    """Begin again without what the command made."""
    for name in case.made:
        for path in Path().glob(f"{name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def leftovers() -> list[str]:
    """What is half-written."""
    return [path.as_posix() for path in Path().rglob("*.part")]


def campaign(case: Case, kills: int, moments: random.Random) -> tuple[int, float]:
    """Kill so often; after every few kills the command ends and its outcome is compared. Kills, seconds."""
    forget(case)
    finish(case)
    expected = case.outcome()
    forget(case)
    began = time.monotonic()
    finish(case)
    length = time.monotonic() - began
    done = 0
    while done < kills:
        forget(case)
        for _ in range(moments.randint(1, 4)):  # kills of one and the same work
            child = start(case.words)
            time.sleep(moments.uniform(0, length))
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)  # before it led a group
            done += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        finish(case)
        found = case.outcome()
        assert found == expected, (case.words, found, expected)
        assert not leftovers(), (case.words, leftovers())
    return done, length


def prepare() -> tuple[int, str]:
    """What the commands need: a bundle, a board with two methods, a server. Its process and its address."""
    from leaderboard.accounts import tokens
    from leaderboard.store.store import Store
    from metanas.base import executor
    from tests.leaderboard import bundles, killable

    Path("bundle.zip").write_bytes(bundles.zipped(Path("mine")))
    for method in ("chance", "scratch"):
        words = ["run", "--method", method, "--seeds", "0", *SMALL, *CONTROLS, "--db", "board.db", "--out"]
        assert os.waitstatus_to_exitcode(os.waitpid(start([*words, f"runs/{method}"]), 0)[1]) == 0
    store = Store("sqlite:///served.db", Path("served"))
    with store.database.write() as session:
        os.environ["METANAS_TOKEN"] = tokens.issue(session, "ada", "", ("submit",), 1)[0]
    store.close()
    port = free_port()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.setsid()
        executor.end_with(parent)
        killable.serve("sqlite:///served.db", "served", port)
        os._exit(0)
    return child, f"http://127.0.0.1:{port}"


def ready(server: str) -> None:
    """Wait for the server."""
    import httpx

    for _ in range(600):
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{server}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.1)
    raise TimeoutError(server)


def main(kills: int, chosen: Sequence[str]) -> None:
    """The chosen commands, or all, one after the other, in a folder of their own."""
    torch.set_num_threads(1)
    began, total = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["METANAS_CACHE"] = str(Path("cache").absolute())
        child, server = prepare()
        try:
            ready(server)
            known = cases(server)
            for name in chosen or known:
                case = known[name]
                done, length = campaign(case, kills, random.Random(name))
                total += done
                print(f"{name}: {done} kills, the same outcome; {length:.1f} s undisturbed", flush=True)
        finally:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            os.chdir("/")
    print(f"{total} kills in {time.monotonic() - began:.0f} s: nothing lost, doubled or half-written")


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["50"])[0]), sys.argv[2:])
