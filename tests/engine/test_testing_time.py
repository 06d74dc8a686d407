"""The seconds of testing that a result states are those of all pieces, whenever they were made."""

from pathlib import Path

import pyarrow as pa
import pytest

from metanas.data.datasets import Datasets
from metanas.engine import config as configs
from metanas.engine.run import work
from metanas.engine.seed_run import SeedRun
from metanas.evaluation import result


def test_an_interrupted_test_counts_what_was_done_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configs.resolve("chance", "mini-v1", budget="smoke", domains=("digits",), seeds=(0,))
    seed_run = SeedRun(config, tmp_path, Datasets.open(config.suite, None), 0)
    seed_run.path.mkdir()
    real, seconds = result.write_table, iter((100.0, 1000.0))

    def slow(path: Path, rows, level=None, **kept: float):  # type: ignore[no-untyped-def]
        return real(path, rows, level, seconds=next(seconds)) if kept else real(path, rows, level)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(result, "write_table", slow)
    with pytest.raises(KeyboardInterrupt):
        work(seed_run, lambda doing, done: killed() if doing == "testing digits/5w5s" else None)
    assert not seed_run.costs.exists()
    work(seed_run, lambda doing, done: None)
    assert '"evaluate_seconds": 1100.0' in seed_run.costs.read_text()


def test_a_table_of_an_earlier_version_has_no_seconds(tmp_path: Path) -> None:
    result.write_table(tmp_path / "a", pa.table({"x": [1]}))
    result.write_table(tmp_path / "b", pa.table({"x": [1]}), seconds=0.25)
    assert (result.seconds_of(tmp_path / "a"), result.seconds_of(tmp_path / "b")) == (0.0, 0.25)
