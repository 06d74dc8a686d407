"""Costs on the pages: recounted where the architectures say them, else as declared."""

import json

from leaderboard.ranking import standing
from leaderboard.store.store import Store
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored


def test_recounted_macs_stand_on_every_page_instead_of_declared_ones(committed_store: Store) -> None:
    found = {one.method: one for one in standing.current(committed_store)}
    loo_nas, protonet = found["loo-nas"], found["protonet"]  # one architecture a task, and a mixture
    assert loo_nas.recounted_macs not in (None, loo_nas.document.costs.predict_macs)
    assert protonet.recounted_macs is None and protonet.macs == protonet.document.costs.predict_macs
    site = open_site(Stored(committed_store), live=False)
    (slug,) = site.tracks
    rows = json.loads(site.get(links.board(slug, "leaderboard.json")).content)["rows"]
    macs = {row["method"]: row["predict_macs"] for row in rows}
    assert (macs["loo-nas"], macs["protonet"]) == (loo_nas.macs, protonet.macs)
    page = site.get(links.board(slug, "pareto-macs.html")).content.decode()
    assert f"{loo_nas.macs:,}" in page and f"{protonet.macs:,}" in page
    assert f"{loo_nas.document.costs.predict_macs:,}" not in page
    card = site.get(links.method(slug, "loo-nas")).content.decode()
    assert "Cost, recounted" in card
    assert "Cost, recounted" not in site.get(links.method(slug, "protonet")).content.decode()
