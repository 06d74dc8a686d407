"""`metanas data prepare | status | show | table` as a user has them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from metanas.cli import listing
from metanas.cli.app import app
from metanas.data import manifest
from metanas.data.store import folder_of

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))


def data(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["data", *words])
    return done.exit_code, done.output


def test_prepare_builds_once_and_says_what_it_is(shared: Path) -> None:
    words = ["prepare", "trec-fine", "sst2", "ag_news", "--data-root", str(shared)]
    code, first = data(*words)
    assert code == 0
    assert [line.split()[1] for line in first.splitlines()] == ["built"] * 3
    _, second = data(*words)
    assert [line.split()[1] for line in second.splitlines()] == ["ready"] * 3
    kinds = {line.split()[0]: line.split()[4] for line in second.splitlines()}
    assert kinds == {"trec-fine": "full", "sst2": "full", "ag_news": "sample"}


def test_a_domain_that_cannot_be_had_does_not_keep_the_others(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "text").mkdir()
    (tmp_path / "text/sst2").symlink_to(shared / "text/sst2")
    code, output = data("prepare", "banking77", "sst2", "--data-root", str(tmp_path))
    assert code == 2
    assert "banking77        failed" in output and "text/banking77/train.csv is missing" in output
    assert "sst2             built" in output
    assert "1 of 2 domains cannot be used" in output
    code, output = data("prepare")
    assert code == 2 and "name domains, or a suite" in output


def test_status_tells_ready_missing_full_and_sample(tmp_path: Path, shared: Path) -> None:
    data("prepare", "sst2", "ag_news", "--data-root", str(shared))
    _, output = data("status", "--json", "--data-root", str(shared))
    rows = {row["name"]: row for row in json.loads(output)}
    assert rows["sst2"]["state"] == "ready" and rows["sst2"]["data"] == "full"
    assert len(rows["sst2"]["fingerprint"]) == 12
    assert "no SHA-256 known beforehand: text/sst2/test.jsonl" in rows["sst2"]["next"]
    assert rows["ag_news"]["data"] == "sample"
    assert rows["sst2"]["repeats"] == "11 of 9,613 test examples twice"
    assert rows["omniglot"]["state"] == "to be built"
    assert "metanas data prepare omniglot" in rows["omniglot"]["next"]
    _, output = data("status", "--json")
    assert {row["name"]: row["state"] for row in json.loads(output)}["omniglot"] == "missing"


def test_data_that_every_run_refuses_is_not_called_full(tmp_path: Path, shared: Path) -> None:
    (tmp_path / "text").mkdir()
    shutil.copytree(shared / "text/sst2", tmp_path / "text/sst2")
    file = tmp_path / "text/sst2/train.csv"
    file.chmod(0o644)
    file.write_text(file.read_text(encoding="utf-8").replace("a stirring", "A stirring"), encoding="utf-8")
    code, output = data("prepare", "sst2", "--data-root", str(tmp_path))
    assert code == 2 and "sst2             refused  this is not the data that results" in output
    assert "core-v1 was pinned on ccec8d2e5578" in output and "full" not in output
    _, output = data("status", "--json", "--data-root", str(tmp_path))
    row = {row["name"]: row for row in json.loads(output)}["sst2"]
    assert (row["state"], row["data"]) == ("refused", "other")
    assert "core-v1 was pinned on ccec8d2e5578" in row["next"]


def test_repeats_in_episodes_that_two_suites_share_are_told_once() -> None:
    pinned = manifest.read("core-v1")["clinc150"]["full"]
    assert manifest.read("core-lite-v1")["clinc150"]["full"]["test"] == pinned["test"]
    none = {"examples": 1, "twice": 0, "train": 0}
    told = listing._repeats("clinc150", {"fingerprint": pinned["fingerprint"], "repeats": none})  # type: ignore[typeddict-item]
    assert told.count("5w5s15q") == 1 and told.count(";") == 0


def test_a_damaged_store_is_said_to_be(shared: Path) -> None:
    data("prepare", "sst2", "--data-root", str(shared))
    (folder_of("sst2", shared) / "x.npy").write_bytes(b"")
    code, output = data("prepare", "sst2", "--data-root", str(shared))
    assert code == 2 and "is damaged" in output and "delete that folder" in output


def test_two_at_once_prepare_the_same_domains(shared: Path) -> None:
    words = [sys.executable, "-m", "metanas", "data", "prepare", "trec-coarse", "sst2", "reuters"]
    both = [
        subprocess.Popen([*words, "--data-root", str(shared)], stdout=subprocess.PIPE, text=True, cwd=ROOT)
        for _ in range(2)
    ]
    answers = [process.communicate(timeout=120)[0] for process in both]
    assert all(process.returncode == 0 for process in both)
    prints = [[line.split()[-1] for line in answer.splitlines()] for answer in answers]
    assert prints[0] == prints[1] and len(prints[0]) == 3


def test_preparing_what_is_ready_never_imports_torch(shared: Path) -> None:
    data("prepare", "fsdd", "--data-root", str(shared))
    code = (
        "import sys, atexit; atexit.register(lambda: print('torch' in sys.modules)); "
        "from metanas.cli.app import main; main()"
    )
    for command in ("prepare fsdd", "status", "table"):
        root = [] if command == "table" else ["--data-root", str(shared)]
        words = [sys.executable, "-c", code, "data", *command.split(), *root]
        done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, check=True)
        assert done.stdout.splitlines()[-1] == "False", command


def test_table_and_show_write_files(tmp_path: Path) -> None:
    assert data("table", "--suite", "mini-v1", "--out", str(tmp_path / "t.md"))[0] == 0
    assert "| langid | text |" in (tmp_path / "t.md").read_text()
    code, output = data("show", "langid", "--out", str(tmp_path / "p.html"), "--shots", "2")
    assert code == 0, output
    assert "5-way 2-shot" in (tmp_path / "p.html").read_text()


def test_verify_says_what_a_run_would_take(shared: Path) -> None:
    data("prepare", "sst2", "--data-root", str(shared))
    code, output = data("verify", "sst2", "omniglot", "--data-root", str(shared))
    assert code == 0 and "sst2             whole" in output and "as core-v1 pins it" in output
    (folder_of("sst2", shared) / "x.npy").write_bytes(b"")
    code, output = data("verify", "sst2", "--data-root", str(shared))
    assert code == 2 and "1 of 1 domains cannot be used: sst2" in output
    assert data("prepare", "sst2", "--refresh", "--data-root", str(shared))[0] == 0
    assert data("verify", "sst2", "--data-root", str(shared))[0] == 0
