"""Costs on the pages: recounted where the architectures say them, else as declared."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from leaderboard.ranking import standing
from leaderboard.store.store import Store
from leaderboard.web import columns, links
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
from tests.leaderboard.site import Fixed
from tests.leaderboard.site import standing as standing_of


def test_recounted_macs_stand_on_every_page_instead_of_declared_ones(committed_store: Store) -> None:
    """On the track with the most methods."""
    track, _ = Counter(one.track for one in standing.current(committed_store)).most_common()[0]
    found = {one.method: one for one in standing.current(committed_store) if one.track == track}
    loo_nas, protonet = found["loo-nas"], found["protonet"]  # one architecture a task, and a mixture
    assert loo_nas.recounted_macs not in (None, loo_nas.document.costs.predict_macs)
    assert protonet.recounted_macs is None and protonet.macs == protonet.document.costs.predict_macs
    site = open_site(Stored(committed_store), live=False)
    slug = links.slug(track)
    rows = json.loads(site.get(links.board(slug, "leaderboard.json")).content)["rows"]
    macs = {row["method"]: row["predict_macs"] for row in rows}
    assert (macs["loo-nas"], macs["protonet"]) == (loo_nas.macs, protonet.macs)
    page = site.get(links.board(slug, "pareto-macs.html")).content.decode()
    assert f"{loo_nas.macs:,}" in page and f"{protonet.macs:,}" in page
    assert f"{loo_nas.document.costs.predict_macs:,}" not in page
    card = site.get(links.method(slug, "loo-nas")).content.decode()
    assert "Cost, recounted" in card
    assert "Cost, recounted" not in site.get(links.method(slug, "protonet")).content.decode()


def test_seconds_of_another_device_do_not_share_a_column(tmp_path: Path) -> None:
    standings = [standing_of(tmp_path / n, n, skill) for n, skill in (("a", 0.9), ("b", 0.6), ("c", 0.3))]
    card = {"cpu": "x", "device": "cuda (NVIDIA H100)"}
    of_card = replace(standings[1], document=standings[1].document.model_copy(update={"environment": card}))
    for given, shown in (([standings[0], of_card, standings[2]], 2), (standings[:3], 3)):
        site = open_site(Fixed(given), live=True)
        (slug,) = site.tracks
        board = site.board(slug)
        (column,) = [c for c in columns.of_board(board) if c.group == "training"]
        seconds = {line.method: column.cell(line) for line in board.lines}
        assert sum(text != columns.NONE for text in seconds.values()) == shown
        assert ("Of results on cpu, as declared" in column.about) == (shown == 2)
        assert (seconds[of_card.document.method] == columns.NONE) == (shown == 2)
    page = site.get(links.board(slug, "pareto-training.html")).content.decode()
    assert "each has a table of its own" not in page
    apart = open_site(Fixed([standings[0], of_card]), live=True)
    page = apart.get(links.board(slug, "pareto-training.html")).content.decode()
    assert "each has a table of its own" in page and "NVIDIA H100" in page
