"""Backup, restore and verification of a board."""

from contextlib import closing
from pathlib import Path

import pytest

from leaderboard.accounts.receipts import KEY, ServerKey
from leaderboard.admin import backup
from leaderboard.admin.verify import VerifyError, verify
from leaderboard.store.database import StoreError, StoreUnusable
from leaderboard.store.models import Score
from leaderboard.store.store import Store
from tests.leaderboard import bundles, postgres


def test_a_backup_is_restored_and_verified_and_damage_is_found(
    store: Store, url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    bundles.run(tmp_path / "run")
    store.add(tmp_path / "run")
    ServerKey.open(store.data / KEY)  # as if it had been served
    assert str(verify(store, 1.0)) == (
        "1 links of the audit chain, 0 signed heads, 2 files, 1 submissions scored again: all as they were"
    )
    folder = backup.backup(store, tmp_path / "backup")
    with pytest.raises(StoreError, match="is there already; give a new folder"):
        backup.backup(store, folder)
    target = f"sqlite:///{tmp_path}/restored.db"
    if not store.database.sqlite:
        host = request.getfixturevalue("postgres_host")
        with postgres.database(host, 10_000) as target:
            found = backup.restore(folder, target, tmp_path / "restored")
    else:
        found = backup.restore(folder, target, tmp_path / "restored")
        with pytest.raises(StoreError, match="is there already; restore to a new file"):
            backup.restore(folder, target, None)
    assert (found.links, found.files, found.rescored, found.heads) == (1, 2, 1, 1)
    with store.database.write() as session:
        session.query(Score).first().right = b"\0" * len(session.query(Score).first().right)
    with pytest.raises(VerifyError, match="has other scores than its predictions give"):
        verify(store, 1.0)


def test_a_backup_that_fails_leaves_nothing_and_an_empty_board_has_one(tmp_path: Path) -> None:
    with closing(Store(tmp_path / "board.db", tmp_path / "data")) as store:
        (tmp_path / "data").write_text("no folder")
        with pytest.raises(NotADirectoryError):
            backup.backup(store, tmp_path / "backup")
        assert not list(tmp_path.glob("*backup*")) and not list(tmp_path.glob(".*"))
        (tmp_path / "data").unlink()
        folder = backup.backup(store, tmp_path / "backup")
    assert backup.restore(folder, f"sqlite:///{tmp_path}/again.db", tmp_path / "again").files == 0


def test_a_backup_of_something_else_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup/board.db").write_bytes(b"no database" * 500)
    with pytest.raises(StoreUnusable, match="board.db cannot be copied to .*file is not a database"):
        backup.restore(tmp_path / "backup", f"sqlite:///{tmp_path}/new.db", None)
    assert not (tmp_path / "new.db").exists()
