"""A killed server loses nothing that it acknowledged; the long campaign is benchmarks/board_kills.py."""

from pathlib import Path

from tests.leaderboard import bundles
from tests.leaderboard.killing import Campaign
from tests.leaderboard.serving import LONG

KILLS = 20 if LONG else 8


def test_killed_servers_lose_nothing_that_they_acknowledged(url: str, tmp_path: Path) -> None:
    report = Campaign(url, tmp_path / "data", bundles.good(), seed=7).run(KILLS)
    print(report)
    assert report.kills == KILLS and report.acknowledged
