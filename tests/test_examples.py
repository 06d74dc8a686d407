"""Every script of examples/ runs from a folder of its own, and the agent task scores what it should."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from metanas.method import METHODS
from metanas.search.searcher import SEARCHERS
from tests.rooms import ROOT

EXAMPLES = ROOT / "examples"
PRINTED = {
    "new_method": "nearest-mean",
    "own_data": "accuracy on 100 images of my own",
    "search_table": "hill-climb",
    "transfer_study": "digits+langid",
    "serve_onnx": "the server's classes",
}


def test_all_are_known() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(PRINTED)
    assert {path.name for path in (EXAMPLES / "agent_task").glob("*.*")} == {
        "TASK.md",
        "method.py",
        "score.py",
    }
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"[{name}.py]({name}.py)" in readme for name in PRINTED)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # the ONNX exporter's own
@pytest.mark.parametrize("name", PRINTED)
def test_an_example_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for registry in (METHODS, SEARCHERS):  # what an example registers is gone afterwards
        monkeypatch.setattr(registry, "_things", dict(registry._things))
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert PRINTED[name] in printed
    if name == "serve_onnx":
        served, torchs = (line.partition(":")[2].strip() for line in printed.splitlines()[-2:])
        assert served == torchs


METHOD = """
import torch
from baselines.chance import Chance
from metanas import METHODS, Adapted

TRAINING = {}

@METHODS.register("agent")
class Agent(Chance):
    def adapt(self, state, spec, support):
        assert support.y.max() == 4
        %s
        return Adapted(lambda x: torch.nn.functional.one_hot(torch.zeros(x.shape[:2], dtype=int), 5).float())
"""


def scored(tmp_path: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    """The scorer on a method whose answers are all 0."""
    (tmp_path / "method.py").write_text(METHOD % body)
    command = [str(EXAMPLES / "agent_task/score.py"), f"--method={tmp_path / 'method.py'}", "--budget=smoke"]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *command, "--episodes=3", "--domains=langid", *options],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_the_agent_task_scores_answers_on_sealed_episodes(tmp_path: Path) -> None:
    done = scored(tmp_path, "")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "score: 20.0"  # one class of five is right
    assert "langid/5w1s: 20.0 on 3 sealed tasks" in done.stdout


def test_the_agent_task_has_a_time_limit(tmp_path: Path) -> None:
    done = scored(tmp_path, "", "--minutes=0.001")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["not finished after 0.001 minutes", "score: 20.0"]
