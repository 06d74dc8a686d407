"""Adaptation curves that come in a bundle: checked against its predictions, drawn on the method page."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leaderboard.bundle.names import CURVES, Members
from leaderboard.bundle.pack import to_zip
from leaderboard.bundle.problem import BundleError
from leaderboard.ranking import standing
from leaderboard.scoring.validate import validate
from leaderboard.web import links
from leaderboard.web.routes import open_site
from leaderboard.web.store_source import Stored
from metanas.evaluation import result
from metanas.evaluation.curves import SCHEMA
from tests.leaderboard import bundles
from tests.leaderboard.serving import served

STEPS, EPISODES = (0, 2, 5), 2  # the predictions are those after 5 steps


def curve(files: Members) -> pd.DataFrame:
    """Rows for every task and seed: chance before adaptation, then half way, then what was predicted."""
    found = result.check(files[result.SUBMISSION], files[result.PREDICTIONS])
    rows = []
    for task, answers in found.answers.items():
        for s, seed in enumerate(found.submission.seeds):
            for episode in range(EPISODES):
                last = answers.accuracy[s, episode]
                for steps, accuracy in zip(STEPS, (0.2, (0.2 + last) / 2, last), strict=True):
                    rows.append((task, seed, episode, steps, accuracy))
    return pd.DataFrame(rows, columns=SCHEMA.names)


def packed(rows: pd.DataFrame, schema: pa.Schema = SCHEMA) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(rows, schema=schema, preserve_index=False), sink)
    return bytes(sink.getvalue().to_pybytes())


@pytest.fixture(scope="module")
def files() -> Members:
    """A bundle whose method has steps of adaptation."""
    found = bundles.good()
    document = json.loads(found[result.SUBMISSION]) | {"settings": {"test_steps": 5}}
    return {**found, result.SUBMISSION: json.dumps(document).encode(), CURVES: b""}


def with_curve(files: Members, content: bytes) -> Members:
    return bundles.resealed(files, curves_parquet=content)


def test_a_curve_is_shown_with_its_band(files: Members, tmp_path: Path) -> None:
    rows = curve(files)
    with served(f"sqlite:///{tmp_path}/board.db", tmp_path / "data") as server:
        identity = server.post(to_zip(with_curve(files, packed(rows)))).json()["id"]
        server.work()
        shown = standing.one(server.context.store, identity)
        assert shown is not None and shown.state == "published"
        for task, some in rows.groupby("task"):
            found = shown.curves[str(task)]
            assert found["steps"] == [0, 2, 5]
            assert found["mean"] == pytest.approx(some.groupby("steps").accuracy.mean().tolist())
            assert found["low"][2] <= found["mean"][2] <= found["high"][2]
        site = open_site(Stored(server.context.store), live=False)
        page = site.get(links.method(shown.track, "mine")).content.decode()
        assert "<h2>Adaptation</h2>" in page and "Show data" in page
        picture = links.picture(links.method(shown.track, "mine"), "curves", "light")
        assert b"<svg" in site.get(picture).content


def changed(column: str, value: object, row: int = 0) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda rows: rows.assign(
        **{column: [value if i == row else v for i, v in enumerate(rows[column])]}
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (changed("accuracy", 0.9, row=2), "after 5 steps it is not what predictions.parquet gives"),
        (changed("accuracy", np.nan), "is missing"),
        (changed("accuracy", 1.5), "not between 0 and 1"),
        (changed("task", "other/5w1s"), "not every seed has every episode once|'other/5w1s' is not in"),
        (changed("episode", 77), "not every seed has every episode once"),
        (changed("steps", -1), "not every seed has every episode once"),
        (lambda rows: pd.concat([rows, rows[:1]]), "not every seed has every episode once"),
        (lambda rows: rows.assign(seed=rows.seed + 90), "seed 90 was not asked for"),
        (
            lambda rows: rows.assign(episode=rows.episode + 1000),
            f"episode {999 + EPISODES} was not asked for",
        ),
        (lambda rows: rows[:0], "0 rows, it may have 1 to"),
    ],
)
def test_a_curve_that_cannot_be_is_refused(
    files: Members, change: Callable[[pd.DataFrame], pd.DataFrame], says: str
) -> None:
    with pytest.raises(BundleError, match=says):
        validate(with_curve(files, packed(change(curve(files)))))


def test_other_columns_and_no_parquet_are_refused(files: Members) -> None:
    other = pa.schema([("task", pa.string())])
    with pytest.raises(BundleError, match="curves.parquet: columns are task: string"):
        validate(with_curve(files, packed(curve(files)[["task"]], other)))
    with pytest.raises(BundleError, match="curves.parquet: not a Parquet file"):
        validate(with_curve(files, b"nonsense"))
