"""A suite that a board does not know is refused with what can be done; once added, it is ranked."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from leaderboard.bundle.names import Members
from leaderboard.bundle.pack import to_zip
from leaderboard.bundle.problem import BundleError
from leaderboard.scoring.validate import validate
from leaderboard.store.database import StoreError
from leaderboard.store.models import Audit
from leaderboard.store.store import Store
from leaderboard.store.suites import Suites
from metanas.base.errors import DamagedFile
from metanas.cli.app import app
from metanas.data.suite import file_of, manifest_of
from metanas.evaluation.result import SUBMISSION
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """mini-v1 under another name, as the file of someone else."""
    file = tmp_path / "own-v1.yaml"
    file.write_text(file_of("mini-v1").read_text().replace("name: mini-v1", "name: own-v1"))
    shutil.copy(manifest_of(file_of("mini-v1")), tmp_path / "own-v1.manifest.json")
    return file


def bundle(**changes: object) -> Members:
    """A bundle of own-v1, whose submission.json has other fields."""
    document = {**json.loads(bundles.good()[SUBMISSION]), "suite": "own-v1", **changes}
    return bundles.resealed(bundles.good(), submission_json=json.dumps(document).encode())


@SQLITE
def test_a_suite_is_refused_then_added_then_ranked(server: Served, own: Path) -> None:
    refused = server.post(to_zip(bundle()))
    assert refused.status_code == 422
    assert "no suite named 'own-v1'" in refused.text and "metanas leaderboard suite add" in refused.text
    server.context.store.suites.add(own)
    accepted = server.post(to_zip(bundle()))
    assert accepted.status_code == 202, accepted.text
    server.work()
    identity = accepted.json()["id"]
    events = server.get(f"submissions/{identity}/events", "nobody").json()["events"]
    assert events[-1]["state"] == "published", events[-1]
    assert any(track.startswith("own-v1 1.1 / smoke") for track in server.get("tracks").json()["tracks"])
    listed = {suite["name"] for suite in server.get("benchmarks").json()["benchmarks"]}
    assert {"own-v1", "mini-v1", "core-v1"} <= listed
    about = server.get("benchmarks/own-v1").json()
    assert about["suite"]["name"] == "own-v1" and "origin" not in about["suite"]
    assert about["pinned"].keys() == {"digits", "langid", "spoken-words"}
    assert server.get("benchmarks/other-v1").status_code == 404


@SQLITE
def test_its_data_and_episodes_are_checked(server: Served, own: Path) -> None:
    server.context.store.suites.add(own)
    tasks = json.loads(bundles.good()[SUBMISSION])["tasks"]
    tasks[0]["fingerprint"] = "0" * 64
    answer = server.post(to_zip(bundle(tasks=tasks)))
    assert answer.status_code == 422 and "other data than the suite's" in answer.text


def test_a_changed_suite_is_told_apart() -> None:
    with pytest.raises(BundleError, match="a suite with other settings is not ranked"):
        validate(bundle(suite="own-v1 (changed)"))
    assert validate(bundle(), elsewhere=True).submission.suite == "own-v1"


def test_the_program_adds_and_lists_suites(own: Path, tmp_path: Path) -> None:
    board = ["--db", str(tmp_path / "board.db"), "--data", str(tmp_path / "data")]
    done = CliRunner().invoke(app, ["leaderboard", "suite", "add", str(own), *board])
    assert done.exit_code == 0, (done.output, done.exception)
    assert done.output.strip() == "own-v1 1.1: digits, langid, spoken-words"
    with closing(Store(tmp_path / "board.db", tmp_path / "data")) as store, store.database.read() as session:
        newest = session.scalars(select(Audit).order_by(Audit.seq.desc())).first()
        assert newest is not None and json.loads(newest.record)["subject"] == "own-v1"
    done = CliRunner().invoke(app, ["leaderboard", "suite", "list", "--json", *board])
    origin = {row["name"]: row["origin"] for row in json.loads(done.output)}
    assert origin["own-v1"] == "added" and origin["mini-v1"] == "installed"


def test_a_version_stands_for_one_content(own: Path, tmp_path: Path) -> None:
    suites = Suites(tmp_path / "suites")
    with pytest.raises(StoreError, match="is a built-in or installed suite"):
        suites.add(file_of("mini-v1"))
    assert suites.add(own) == suites.add(own) == suites.find("own-v1")
    assert suites.added() == ("own-v1",)
    own.write_text(own.read_text().replace("queries: 15 ", "queries: 14 "))
    with pytest.raises(StoreError, match="has own-v1 1.1 with other content; raise `version`"):
        suites.add(own)
    own.write_text(own.read_text().replace('"1.1"', '"1.2"'))
    assert suites.add(own).version == "1.2"
    own.with_name("own-v1.manifest.json").write_text("{}")
    with pytest.raises(StoreError, match="digits is not pinned in own-v1; first: metanas suite pin"):
        suites.add(own)
    (tmp_path / "suites/own-v1.json").write_text("{")
    with pytest.raises(DamagedFile, match="add the suite again"):
        suites.find("own-v1")
