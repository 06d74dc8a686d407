"""One result, four ways in and out: the same scores to the last byte."""

from pathlib import Path

from typer.testing import CliRunner

from leaderboard.admin.pull_request import Change, check
from leaderboard.bundle.pack import to_zip
from leaderboard.repository import results
from leaderboard.store.store import Store
from leaderboard.web.static_site import export
from metanas.cli.app import app
from tests.leaderboard import bundles
from tests.leaderboard.serving import served


def program(*words: str) -> bytes:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    return done.stdout_bytes


def test_program_server_static_site_and_pull_request_agree_to_the_last_byte(tmp_path: Path) -> None:
    members = bundles.members(tmp_path / "run", "mine")
    bundle = tmp_path / "mine.zip"
    bundle.write_bytes(to_zip(members))
    db = f"sqlite:///{tmp_path}/board.db"
    with served(db, tmp_path / "data") as found:
        identity = found.post(bundle.read_bytes()).json()["id"]
        found.work()
        from_server = found.get(f"submissions/{identity}/scores").content
        from_page = found.client.get(f"/submissions/{identity}.json").content
    store = Store(db, tmp_path / "data")
    site = export(store, tmp_path / "site").parent
    folder = results.stage(members, tmp_path / "pull")
    changed = [Change("A", str(path.relative_to(tmp_path / "pull"))) for path in sorted(folder.iterdir())]
    ways = {
        "program": program("score", str(bundle)),
        "server": from_server,
        "page": from_page,
        "static site": (site / f"submissions/{identity}.json").read_bytes(),
        "pull request": check(tmp_path / "pull", changed, tmp_path / "none").scores,
    }
    assert len(ways["program"]) > 1000
    assert set(ways.values()) == {ways["program"]}, {name: len(text or b"") for name, text in ways.items()}

    again = Store(tmp_path / "other.db")
    results.open_with(again, tmp_path / "pull" / results.ROOT)
    boards = {
        "server's store": program("leaderboard", "show", "--json", "--db", str(tmp_path / "board.db")),
        "static site": next(site.glob("*/leaderboard.json")).read_bytes(),
        "after the merge": program("leaderboard", "show", "--json", "--db", str(tmp_path / "other.db")),
    }
    assert set(boards.values()) == {boards["static site"]}
