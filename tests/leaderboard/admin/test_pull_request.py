"""Pull requests: what may be in one, what the report says, and that nothing of it is run."""

import re
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from leaderboard.admin.pull_request import Change, changes, check
from leaderboard.bundle import reading
from leaderboard.bundle.names import PREDICTIONS, Members
from leaderboard.bundle.pack import collect
from leaderboard.repository import results
from metanas.base.errors import InvalidValue
from metanas.cli.app import app
from tests.leaderboard import bundles

WORKFLOWS = Path(__file__).parents[3] / ".github" / "workflows"


@pytest.fixture(scope="module")
def pull(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a pull request that adds one result."""
    root = tmp_path_factory.mktemp("pull")
    results.stage(bundles.good(), root / "proposed")
    return root / "proposed"


def added(root: Path) -> list[Change]:
    return [Change("A", str(path.relative_to(root))) for path in sorted(root.rglob("*.*")) if path.is_file()]


def test_a_valid_result_is_scored_and_placed_on_the_board(pull: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    results.stage(bundles.members(tmp_path / "other", "other", skill=0.9), base)
    report = check(pull, added(pull), base / results.ROOT)
    assert report.problems == () and report.scores is not None
    assert re.search(r"\| 1 \| other \|.*\n\| 2 \| mine \|", report.text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            Change("M", "leaderboard/admin/pull_request.py"),
            "a result changes nothing outside leaderboard/results/",
        ),
        (Change("A", ".github/workflows/x.yml"), "a result changes nothing outside leaderboard/results/"),
        (Change("D", "leaderboard/results/mini-v1/a/0/entry.json"), "never changed or deleted"),
        (Change("A", "leaderboard/results/mini-v1/a/0/model.pkl"), "does not belong there"),
        (Change("A", "leaderboard/results/entry.json"), "does not belong there"),
        (Change("A", "leaderboard/results/../../setup.py"), "does not belong there"),
        (Change("A", "leaderboard/results/mini-v1/a/0/entry.json"), "one new folder a pull request, got 2"),
    ],
)
def test_a_pull_request_that_does_more_is_refused(pull: Path, change: Change, message: str) -> None:
    report = check(pull, [*added(pull), change])
    assert report.scores is None
    assert message in report.text


def test_what_is_wrong_with_the_bundle_is_in_the_report(tmp_path: Path) -> None:
    folder = results.stage(bundles.good(), tmp_path)
    (folder / "predictions.parquet").write_bytes(b"PAR1")
    report = check(tmp_path, [c for c in added(tmp_path) if c.path.startswith("leaderboard")])
    assert "predictions.parquet: SHA-256" in report.text and report.scores is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    folder = results.stage(bundles.good(), tmp_path / "pull")
    (folder / "README.md").symlink_to("/etc/hostname")
    assert "not a plain file" in check(tmp_path / "pull", added(tmp_path / "pull")).text
    whole = tmp_path / "linked"
    (whole / folder.parent.relative_to(tmp_path / "pull")).mkdir(parents=True)
    (whole / folder.relative_to(tmp_path / "pull")).symlink_to(folder)
    assert "a link, not a folder" in check(whole, added(tmp_path / "pull")).text


def test_a_folder_of_another_name_is_refused(tmp_path: Path) -> None:
    folder = results.stage(bundles.good(), tmp_path / "pull")
    folder.rename(folder.with_name("0" * 12))
    assert "use metanas leaderboard stage" in check(tmp_path / "pull", added(tmp_path / "pull")).text


def test_the_same_answers_on_two_tracks_are_two_results(tmp_path: Path) -> None:
    def read(root: Path) -> list[Members]:
        return [reading.read_folder(path) for path in sorted((root / "mini-v1/chance").iterdir())]

    found = read(results.FOLDER)
    assert len(found) == 2 and found[0][PREDICTIONS] == found[1][PREDICTIONS]
    for members in (*found, *found):  # a second time each lies in its own folder
        folder = results.stage(members, tmp_path)
        assert reading.read_folder(folder) == members
        mine = [change for change in added(tmp_path) if Path(change.path).parent.name == folder.name]
        assert check(tmp_path, mine).problems == ()
    assert read(tmp_path / results.ROOT) == found


def test_a_method_of_others_is_refused(pull: Path, tmp_path: Path) -> None:
    about = {**bundles.ABOUT, "authors": [{"name": "Somebody Else"}]}
    bundles.run(tmp_path / "run", "mine", seed=5)
    results.stage(collect(tmp_path / "run", about), tmp_path / "base")
    report = check(pull, added(pull), tmp_path / "base" / results.ROOT)
    assert "'mine' was submitted by others" in report.text


def test_the_list_of_changes_is_read_as_git_writes_it_and_may_not_be_empty(pull: Path) -> None:
    assert changes("A\0a b\0M\0c\0") == [Change("A", "a b"), Change("M", "c")]
    assert changes("") == []
    assert "one new folder a pull request, got 0" in check(pull, []).text
    with pytest.raises(ValueError, match="git diff --name-status --no-renames -z"):
        changes("A\ta\n")


def test_the_workflow_never_runs_the_pull_request_with_secrets() -> None:
    for path in WORKFLOWS.glob("*.yml"):
        text = path.read_text()
        flow = yaml.safe_load(text)
        events = flow[True]  # YAML reads the key `on` as true
        assert "pull_request_target" not in events and "secrets." not in text, path
        if "pull_request" in events:
            assert flow["permissions"] == {"contents": "read"}, path
            for step in (s for job in flow["jobs"].values() for s in job["steps"]):
                if str(step.get("uses", "")).startswith("actions/checkout"):
                    assert step["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
                    assert step["with"]["persist-credentials"] is False
                assert "${{" not in step.get("run", ""), "values come by environment, not into the script"
                assert step.get("working-directory", "base") == "base", "nothing starts in the proposed files"
        if "workflow_run" in events:
            assert not any(
                "run" in step or "checkout" in str(step.get("uses"))
                for job in flow["jobs"].values()
                for step in job["steps"]
            )


def test_changes_that_are_not_text_are_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "changes").write_bytes(bytes(range(256)))
    words = ["leaderboard", "check-pull", str(tmp_path), "--changes", str(tmp_path / "changes"), "--out", "x"]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, InvalidValue) and "expected the output of: git diff" in str(
        done.exception
    )
