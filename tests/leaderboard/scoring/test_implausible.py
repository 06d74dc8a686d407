"""Derived labels and invented costs: what cannot be recomputed is compared with the field, and flagged."""

import json
from pathlib import Path
from typing import Any

import pytest

from leaderboard.bundle.pack import to_zip
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
from metanas.evaluation import result
from tests.leaderboard import bundles
from tests.leaderboard.serving import SQLITE, Served


def submit(server: Served, folder: Path, method: str, role: str = "owner", **options: Any) -> Any:
    """What the board says of a submission at `small`. costs, environment: changed fields of those."""
    changed = {name: options.pop(name) for name in ("costs", "environment") if name in options}
    files = bundles.members(folder, method, **{"budget": "small", **options})
    document = json.loads(files[result.SUBMISSION])
    for name, fields in changed.items():
        document[name] = {**document[name], **fields}
    files = bundles.resealed(files, submission_json=json.dumps(document).encode())
    identity = server.post(to_zip(files), role).json()["id"]
    server.work()
    return server.get(f"submissions/{identity}", role).json()


@SQLITE
def test_derived_labels_wait_for_a_reviewer_with_and_without_a_field(server: Served, tmp_path: Path) -> None:
    alone = submit(server, tmp_path / "a", "lookup", skill=0.998)
    assert (
        alone["state"] == "flagged"
        and "99.8 % on average over all tasks" in dict(alone["flags"])["implausible"]
    )
    assert submit(server, tmp_path / "b", "honest", skill=0.6, seed=1)["state"] == "published"
    assert submit(server, tmp_path / "c", "better", skill=0.7, seed=2)["state"] == "published"
    modest = submit(server, tmp_path / "d", "careful", "other", skill=0.93, seed=3)
    assert modest["state"] == "flagged"
    assert any("on digits/5w1s; the best other method has" in detail for _, detail in modest["flags"])


@SQLITE
@pytest.mark.parametrize(
    ("costs", "words"),
    [
        ({"evaluate_seconds": 0.0}, "testing took 0 s"),
        ({"parameters": 0, "predict_macs": 10}, "no parameters and 10 MACs a query"),
        ({"train_seconds": 0.001, "train_flops": 10**15}, "FLOPs of meta-training in 0.001 s"),
    ],
)
def test_costs_that_cannot_be_wait_for_a_reviewer(
    server: Served, tmp_path: Path, costs: dict[str, float], words: str
) -> None:
    found = submit(server, tmp_path / "a", "mine", costs=costs, budget="smoke")
    assert found["state"] == "flagged" and words in dict(found["flags"])["costs"]


@SQLITE
def test_an_invented_machine_removes_nobody_from_a_pareto_front(server: Served, tmp_path: Path) -> None:
    store = server.context.store
    bundles.run(tmp_path / "ours", "ours", skill=0.5)
    store.add(tmp_path / "ours")
    for i in range(3):
        found = submit(
            server,
            tmp_path / f"{i}",
            f"crowd{i}",
            seed=i + 1,
            budget="smoke",
            environment={"cpu": "HAL 9000"},
        )
        assert found["state"] == "published"
    site = open_site(Stored(store), live=True)
    page = site.get(links.board(found["track"], "pareto-training.html")).content.decode()
    ours, theirs = page.index("Measured on x"), page.index("Measured on HAL 9000")
    assert ours < page.index(">ours</a>") < theirs < page.index(">crowd0</a>")
    assert "costs are what the entrants declare" in page
    values = site.view(links.board(found["track"], "pareto-training.html"), {}).values  # type: ignore[union-attr]
    assert [group.machine for group in values["groups"]] == ["x", "HAL 9000"]
    assert values["groups"][0].front == {"ours"}
