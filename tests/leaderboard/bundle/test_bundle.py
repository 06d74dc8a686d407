"""Packing and checking a bundle, with the program and without."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.bundle import reading
from leaderboard.bundle.names import ENTRY, bundle_digest
from leaderboard.bundle.pack import collect, to_zip
from leaderboard.bundle.problem import BundleError
from metanas.cli.app import main
from metanas.data import manifest
from metanas.evaluation import result
from tests.leaderboard import bundles

Program = Callable[..., tuple[object, str, str]]
ABOUT = (
    "--author Ada --contact ada@example.org --family baseline --summary fixed --trials 1 --meta-train digits"
).split()


@pytest.fixture
def metanas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Program:
    """`metanas ...` in the folder `tmp_path`, in this process: its exit code, what it prints, its errors."""

    def program(*words: str) -> tuple[object, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["metanas", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err.strip()

    return program


def test_a_run_is_packed_and_validated_by_the_program(metanas: Program, tmp_path: Path) -> None:
    bundles.run(tmp_path / "run")
    assert metanas("pack", "run", *ABOUT) == (0, "run.zip\n", "")
    assert metanas("validate", "run.zip") == (0, "run.zip: valid\n", "")


def test_a_run_that_is_damaged_is_not_packed_and_says_why(metanas: Program, tmp_path: Path) -> None:
    bundles.run(tmp_path / "run")
    (tmp_path / "run" / "architecture.json").write_text("[" * 100_000)
    code, _, error = metanas("pack", "run", *ABOUT)
    assert code == 3 and error.startswith("metanas: architecture.json:") and error.count("\n") == 0
    code, _, error = metanas("leaderboard", "add", "run", "--db", "board.db")
    assert code == 3 and "architecture.json" in error and error.count("\n") == 0
    (tmp_path / "run" / "predictions.parquet").unlink()
    (tmp_path / "run" / "predictions.parquet").mkdir()
    code, _, error = metanas("pack", "run", *ABOUT)
    assert code == 3 and error.startswith("metanas: predictions.parquet: missing in run, or no file")


def test_what_is_wrong_comes_with_file_field_and_hint_and_code_3(metanas: Program, tmp_path: Path) -> None:
    files = bundles.members(tmp_path / "run")
    wrong = to_zip(bundles.resealed({**files, "README.md": b""}, README_md=b"\xff"))
    (tmp_path / "wrong.zip").write_bytes(wrong)
    assert metanas("validate", "wrong.zip") == (3, "", "metanas: README.md: not UTF-8: byte 0")
    code, out, _ = metanas("validate", "wrong.zip", "--json")
    assert (code, json.loads(out)["problems"][0]["file"]) == (3, "README.md")
    assert metanas("pack", "run", *ABOUT[2:]) == (
        3,
        "",
        "metanas: entry.json: authors: Field required; give --author NAME, or authors in the file of --about",
    )
    assert metanas("pack", "run", "--author", "", *ABOUT[2:]) == (
        3,
        "",
        "metanas: entry.json: authors.0.name: String should have at least 1 character, got ''",
    )
    (tmp_path / "about.yaml").write_text("code: {url: 'https://example.org/a'}")
    code, _, error = metanas("pack", "run", *ABOUT, "--about", "about.yaml")
    assert code == 3 and error.splitlines() == [
        "metanas: entry.json: code.commit: Field required",
        "entry.json: code.licence: Field required",
    ]
    (tmp_path / "run" / "config.yaml").touch()
    code, _, error = metanas("validate", "run")
    assert code == 3 and "`metanas pack RUN` makes one of a run folder" in error


@pytest.mark.parametrize(("operations", "domains"), [(0, []), (5, ["digits", "langid", "spoken-words"])])
def test_meta_training_is_on_the_runs_domains_or_on_none_where_it_took_no_operations(
    tmp_path: Path, operations: int, domains: list[str]
) -> None:
    run = bundles.run(tmp_path / "run")
    costs = run.costs.model_copy(update={"train_flops": operations})
    result.write(tmp_path / "run", run.model_copy(update={"costs": costs}))
    about = {key: value for key, value in bundles.ABOUT.items() if key != "meta_train_domains"}
    entry = json.loads(collect(tmp_path / "run", about)[ENTRY])
    assert entry["meta_train_domains"] == domains


def test_a_domain_that_only_tests_is_not_declared_as_meta_trained(tmp_path: Path) -> None:
    run = bundles.run(tmp_path / "run")
    pinned = manifest.read("core-v1")
    tasks = [
        run.tasks[0].model_copy(update={"domain": name, "fingerprint": pinned[name]["full"]["fingerprint"]})
        for name in ("trec-fine", "trec-coarse")
    ]
    costs = run.costs.model_copy(update={"train_flops": 5})
    result.write(tmp_path / "run", run.model_copy(update={"costs": costs, "tasks": (*tasks, run.tasks[0])}))
    about = {key: value for key, value in bundles.ABOUT.items() if key != "meta_train_domains"}
    entry = json.loads(collect(tmp_path / "run", about)[ENTRY])
    assert entry["meta_train_domains"] == ["digits", "trec-fine"]


def test_a_run_whose_training_another_run_did_is_packed_with_domains_that_are_given(
    metanas: Program, tmp_path: Path
) -> None:
    assert bundles.run(tmp_path / "run").costs.train_flops is None
    *about, _, domain = ABOUT
    code, _, error = metanas("pack", "run", *about)
    assert (code, error.count("\n")) == (3, 0)
    assert "meta_train_domains: Field required; give --meta-train a,b, or" in error
    assert metanas("pack", "run", *about, "--meta-train", f"{domain}, langid")[0] == 0
    entry = json.loads(reading.read(tmp_path / "run.zip")[ENTRY])
    assert entry["meta_train_domains"] == [domain, "langid"]


def test_a_folder_and_any_zip_of_it_are_the_same_bundle(tmp_path: Path) -> None:
    files = bundles.good()
    packed = to_zip(files)
    assert packed == to_zip(dict(reversed(list(files.items())))), "the same bytes twice"
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
