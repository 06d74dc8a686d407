"""A table is read back as it was written, and its oracles and regrets are those of its formula."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metanas.base.errors import DamagedFile, DataError, InvalidValue
from metanas.base.registry import UnknownName
from metanas.space.architecture import parse
from metanas.tables.table import Table, load_table
from tests import known_table
from tests.known_table import accuracy


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return known_table.table(tmp_path_factory.mktemp("table"))


def test_every_answer_comes_back(table: Table) -> None:
    assert table.domains == ("digits", "langid") and table.seeds == (0, 3)
    for text in ("conv3/relu", "gru/relu > gru/relu", "C-P-F"):
        architecture = parse(text, table.space)
        for domain in table.domains:
            for shots in (1, 5):
                wanted = [round(50 * accuracy(architecture, domain, seed, shots)) / 50 for seed in (0, 3)]
                found = table.episodes(text, domain, "test", shots)
                assert found.shape == (2, 4) and np.allclose(found, np.array(wanted)[:, None])
                assert table.accuracy(architecture, domain, "val", shots) == pytest.approx(np.mean(wanted))
    place = table.index("C-P-F")
    assert (table.macs["langid"][place], table.parameters[place]) == (100 * (place + 1), 10 * (place + 1))
    assert table.proxies["synflow"]["digits"][0, place] == -place


def test_oracle_shared_mean_and_regret(table: Table) -> None:
    assert table.text(table.best("digits", "test")) == "conv3/relu > conv3/relu"
    values = table.accuracies("digits", "test", 5)
    assert table.oracle("digits", 5) == values.max() == table.oracle_crossed("digits", 5)
    assert table.oracle_per_task("digits", 5) == pytest.approx(values.max())  # no luck in these episodes
    assert table.regret(table.best("digits", "test"), "digits") == 0
    assert np.mean(table.regrets("langid")) == pytest.approx(1)  # a random architecture's, by definition
    both = (table.accuracies("digits") + table.accuracies("langid")) / 2
    assert np.allclose(table.accuracies("shared"), both)
    assert table.accuracies("shared")[table.index(table.best("shared"))] == both.max()
    assert table.mean("digits", shots=1) == pytest.approx(table.accuracies("digits", "test", 1).mean())


def test_what_is_not_listed_is_said(table: Table) -> None:
    with pytest.raises(InvalidValue, match=r"fc/tanh > fc/sigmoid .* is not in known, which lists 40"):
        table.index("fc/tanh > fc/sigmoid")
    with pytest.raises(UnknownName, match="no domain of the table named 'digit'; did you mean 'digits'"):
        table.accuracies("digit")
    with pytest.raises(InvalidValue, match="digits has val and test with 1, 5 shots, got test with 3"):
        table.episodes("conv3/relu", "digits", "test", 3)
    with pytest.raises(UnknownName, match="no table named 'table-v9'"):
        load_table("table-v9")


def test_a_damaged_or_newer_file_is_said(table: Table, tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    known_table.write(path, known_table.about(), known_table.rows())
    rows = pq.ParquetFile(path).read(use_threads=False)
    newer = rows.schema.metadata[b"about"].replace(b'"schema_version":1', b'"schema_version":2')
    pq.write_table(rows.replace_schema_metadata({b"about": newer}), tmp_path / "newer.parquet")
    with pytest.raises(DataError, match=r"schema_version is 2, this metanas reads 1"):
        load_table(tmp_path / "newer.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match=r"other.parquet is not a table of architectures"):
        load_table(tmp_path / "other.parquet")
    (tmp_path / "cut.parquet").write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"cut.parquet is not a table of architectures"):
        load_table(tmp_path / "cut.parquet")


@pytest.mark.parametrize("about", [b"[1]", b"[" * 9999, b"3"])
def test_metadata_that_are_no_object_are_said(about: bytes, tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    known_table.write(path, known_table.about(), known_table.rows())
    rows = pq.ParquetFile(path).read(use_threads=False)
    pq.write_table(rows.replace_schema_metadata({b"about": about}), path)
    with pytest.raises(DamagedFile, match=r"known.parquet is not a table of architectures"):
        load_table(path)


def test_rows_of_another_table_are_said(tmp_path: Path) -> None:
    path = tmp_path / "known.parquet"
    rows = [{**row, "seed": 77} for row in known_table.rows()]
    known_table.write(path, known_table.about(), rows)
    with pytest.raises(DamagedFile, match=r"its rows do not fit its metadata .*; build it again"):
        load_table(path)


def test_a_table_that_is_defined_but_was_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "table-v7.yaml").write_text("name: table-v7")
    monkeypatch.setattr("metanas.tables.table.FOLDER", tmp_path)
    with pytest.raises(DataError, match="`metanas table build table-v7 --out DIR` makes"):
        load_table("table-v7")
