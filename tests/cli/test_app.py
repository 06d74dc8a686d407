"""The program as a user has it: listings, a whole small run, resuming, and bad input."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from metanas.cli.app import app, main
from metanas.evaluation import controls, result
from tests.cli.program import TINY, metanas, run


def test_memory_that_does_not_do_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["metanas", "list", "domains"])
    monkeypatch.setattr("metanas.cli.app.app", lambda *words, **options: torch.empty(10**16))
    with pytest.raises(SystemExit, match="2"):
        main()
    printed = capsys.readouterr().err
    assert printed.startswith("metanas: out of memory: ") and printed.count("\n") == 1
    assert "give a smaller space.channels" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["tune", "maml", "--trials", "0"],
            "'--trials': Input should be greater than or equal to 1, got",
        ),
        (["leaderboard", "token", "revoke", "0"], "'token': Input should be greater than or equal to 1"),
        (["tune"], "Missing argument 'method'."),
    ],
)
def test_a_usage_error_names_the_option_and_the_value(
    words: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["metanas", *words])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["domains", "suites", "methods", "ops", "activations", "strategies"])
def test_list_prints_names(kind: str, tmp_path: Path) -> None:
    done = metanas("list", kind, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert all(row["name"] for row in json.loads(done.stdout))


def test_a_run_leaves_a_whole_folder_a_board_and_pages(tmp_path: Path) -> None:
    done = run("--method", "maml", "--method", "protonet", "--pages", "site", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "runs/mini-v1/smoke/maml"
    found = result.read(folder)
    assert len(found.answers) == 6
    assert all(task.synthetic == (task.domain == "spoken-words") for task in found.submission.tasks)
    for name in (
        "config.yaml",
        "metrics.jsonl",
        "report.html",
        "architecture.json",
        "controls.parquet",
        "seed0/state.safetensors",
    ):
        assert (folder / name).stat().st_size > 0, name
    assert len(list(folder.glob("architecture-*.svg"))) == 6
    asked = controls.read(folder, found.submission.tasks, found.submission.seeds)
    assert asked.keys() == {"decoded", "shared", "domain", "random", "swap"}
    assert "What adapting the architecture does" in (folder / "report.html").read_text()
    assert "protonet" in (tmp_path / "site/index.html").read_text()
    assert "maml" in metanas("leaderboard", "show", cwd=tmp_path).stdout
    again = run("--method", "maml", cwd=tmp_path)
    assert again.returncode == 0
    assert result.read(folder).submission.created == found.submission.created, "it was done already"


def test_a_killed_run_resumes_to_the_same_predictions(tmp_path: Path) -> None:
    words = ["--method", "reptile", "--jobs", "1", "--domains", "langid", "--set", "budget.iterations=6"]
    words.append("--no-controls")
    assert run(*words, "--out", "whole", cwd=tmp_path).returncode == 0
    moments = random.Random(1)
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "metanas", "run", "--budget", "smoke", "--seeds", "0"]
            + [*TINY, *words, "--out", "killed", "--db", "other.db"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moments.uniform(3, 8))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert run(*words, "--out", "killed", "--db", "other.db", cwd=tmp_path).returncode == 0
    whole, killed = (result.read(tmp_path / name) for name in ("whole", "killed"))
    assert whole.submission.predictions_sha256 == killed.submission.predictions_sha256


def test_omniglot_of_core_v1_runs_from_a_data_folder(tmp_path: Path, shared: Path) -> None:
    words = [
        "--method",
        "protonet",
        "--suite",
        "core-v1",
        "--domains",
        "omniglot",
        "--data-root",
        str(shared),
    ]
    done = run(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "omniglot 5-shot" in done.stdout.replace("\n", " ") or "omniglot" in done.stdout
    status = metanas("data", "status", "--data-root", str(shared), "--json", cwd=tmp_path)
    assert {row["name"]: row["state"] for row in json.loads(status.stdout)}["omniglot"] == "ready"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "mamll"], "no method named 'mamll'; did you mean 'maml'?"),
        (["--method", "maml", "--suite", "mini"], "no suite named 'mini'; did you mean 'mini-v1'?"),
        (["--method", "maml", "--set", "stepz=3"], "no setting named 'stepz'; did you mean 'steps'?"),
        (["--method", "maml", "--set", "steps=x"], "steps: Input should be a valid integer"),
        (
            ["--method", "maml", "--set", "suite.shots=[-1]"],
            "suite.shots.0: must be at least 1, at most 10000000, got -1",
        ),
        (["--method", "maml", "--set", "suite.ways=6"], "digits/test has 5 classes, too few for 6 ways"),
        (["--method", "maml", "--set", "nonsense"], "--set wants key=value, got 'nonsense'"),
        (["--method", "maml", "--seeds", "a"], "--seeds wants numbers like 0,1,2, got 'a'"),
        (["--method", "maml", "--domains", "digit"], "mini-v1 has no domain 'digit'; it has: digits"),
        (["--method", "maml", "--suite", "core-v1"], "--data-root DIR or METANAS_DATA=DIR"),
    ],
)
def test_bad_input_is_one_line_and_code_2(words: list[str], message: str, tmp_path: Path) -> None:
    done = metanas("run", "--budget", "smoke", *words, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.rglob("submission.json"))


def test_ctrl_c_ends_with_130_and_nothing_that_looks_whole(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "metanas", "run", "--method", "maml", "--budget", "full"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    time.sleep(8)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted; run the same command again" in error
    assert not list(tmp_path.rglob("submission.json"))


@pytest.mark.parametrize(
    "words", ["new-method mine --root loop", "leaderboard stage a.zip --repository loop"]
)
def test_links_in_a_circle_are_no_traceback(words: str, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    done = CliRunner().invoke(app, words.replace("loop", str(tmp_path / "loop")).split())
    assert done.exit_code == 2 and "Error" in done.output and not isinstance(done.exception, RuntimeError)


def test_code_that_is_no_folder_is_not_committed_to_silently(tmp_path: Path) -> None:
    (tmp_path / "run/seed0").mkdir(parents=True)
    for name in ("config.yaml", "seed0/state.safetensors"):
        (tmp_path / "run" / name).touch()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for code in ("missing", "loop", "run/config.yaml"):
        words = ["challenge", "commitment", str(tmp_path / "run"), "--code", str(tmp_path / code)]
        done = CliRunner().invoke(app, words)
        assert f"{code} is no folder; --code wants the folders" in str(done.exception)
