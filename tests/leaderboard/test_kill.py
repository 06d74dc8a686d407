"""A killed server loses nothing that it acknowledged; the long campaign is benchmarks/board_kills.py."""

from pathlib import Path

from tests.leaderboard import bundles
from tests.leaderboard.killing import Campaign


def test_killed_servers_lose_nothing_that_they_acknowledged(url: str, tmp_path: Path) -> None:
    files = bundles.members(tmp_path / "run")
    report = Campaign(url, tmp_path / "data", files, seed=7).run(kills=20)
    print(report)
    assert report.kills == 20 and report.acknowledged
