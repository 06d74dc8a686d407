"""Packing and checking as a user does it, with the program."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from leaderboard.bundle import reading
from leaderboard.bundle.names import bundle_digest
from leaderboard.bundle.pack import collect, to_zip
from leaderboard.bundle.problem import BundleError
from leaderboard.bundle.validate import validate
from leaderboard.scoring.document import of_scored
from tests.leaderboard import bundles

ABOUT = "--author Ada --contact ada@example.org --family baseline --summary fixed --trials 1".split()


def metanas(*words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "metanas.cli", *words], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def test_a_run_is_packed_validated_and_scored_by_the_program(tmp_path: Path) -> None:
    bundles.run(tmp_path / "run")
    done = metanas("pack", "run", *ABOUT, cwd=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "run.zip"), done.stderr
    assert metanas("validate", "run.zip", cwd=tmp_path).stdout == "run.zip: valid\n"
    expected = of_scored(validate(reading.read(tmp_path / "run.zip")))
    assert metanas("score", "run.zip", cwd=tmp_path).stdout.encode() == expected


def test_what_is_wrong_comes_with_file_field_and_hint_and_code_3(tmp_path: Path) -> None:
    files = bundles.members(tmp_path / "run")
    wrong = to_zip(bundles.resealed({**files, "README.md": b""}, README_md=b"\xff"))
    (tmp_path / "wrong.zip").write_bytes(wrong)
    done = metanas("validate", "wrong.zip", cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (3, "metanas: README.md: not UTF-8: byte 0")
    done = metanas("validate", "wrong.zip", "--json", cwd=tmp_path)
    assert (done.returncode, json.loads(done.stdout)["problems"][0]["file"]) == (3, "README.md")
    done = metanas("pack", "run", *ABOUT[2:], cwd=tmp_path)
    assert done.returncode == 3
    assert "entry.json: authors: Field required" in done.stderr


def test_a_folder_and_any_zip_of_it_are_the_same_bundle(tmp_path: Path) -> None:
    files = bundles.members(tmp_path / "run")
    packed = to_zip(files)
    assert packed == to_zip(dict(reversed(files.items()))), "the same bytes twice"
    (tmp_path / "bundle").mkdir()
    for name, content in files.items():
        (tmp_path / "bundle" / name).write_bytes(content)
    assert bundle_digest(reading.read(tmp_path / "bundle")) == bundle_digest(reading.read_zip(packed))


def test_a_folder_with_something_else_in_it_is_refused(tmp_path: Path) -> None:
    files = bundles.members(tmp_path / "run")
    for name, content in files.items():
        (tmp_path / "run" / name).write_bytes(content)
    (tmp_path / "run" / "notes.txt").write_text("x")
    with pytest.raises(BundleError, match="'notes.txt' does not belong in a bundle"):
        reading.read(tmp_path / "run")
    (tmp_path / "run" / "notes.txt").unlink()
    (tmp_path / "run" / "README.md").symlink_to("/etc/passwd")
    with pytest.raises(BundleError, match="README.md: not a plain file"):
        reading.read(tmp_path / "run")


def test_every_wrong_field_is_reported_at_once(tmp_path: Path) -> None:
    bundles.run(tmp_path / "run")
    with pytest.raises(BundleError) as caught:
        collect(tmp_path / "run", {**bundles.ABOUT, "contact": "nobody", "hparam_trials": 0, "surprise": 1})
    assert {problem.field for problem in caught.value.problems} == {"contact", "hparam_trials", "surprise"}
