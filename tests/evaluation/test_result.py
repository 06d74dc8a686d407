import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from metanas.evaluation import result
from metanas.evaluation.result import ResultError
from tests import runs

EARLIER = Path(__file__).parents[1] / "results"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    runs.make(tmp_path / "run", "m", 0.7)
    return tmp_path / "run"


def change(folder: Path, rows: pa.Table) -> None:
    """Other predictions, with a hash that fits: what a careless or hostile submitter sends."""
    digest = result.write_table(folder / result.PREDICTIONS, rows)
    document = json.loads((folder / result.SUBMISSION).read_text())
    (folder / result.SUBMISSION).write_text(json.dumps(document | {"predictions_sha256": digest}))


def rows(folder: Path) -> pa.Table:
    return result.read_table(folder / result.PREDICTIONS, result.SCHEMA)


def test_a_run_reads_back_and_its_accuracy_is_recomputed(folder: Path) -> None:
    found = result.read(folder)
    assert [a.accuracy.shape for a in found.answers.values()] == [(3, 20)] * 2
    assert found.answers["digits/5w1s"].accuracy.mean() == pytest.approx(0.7, abs=0.06)


def test_the_order_of_the_rows_does_not_matter(folder: Path) -> None:
    before = result.read(folder).answers["digits/5w1s"].accuracy
    change(folder, rows(folder).take(list(range(rows(folder).num_rows))[::-1]))
    assert (result.read(folder).answers["digits/5w1s"].accuracy == before).all()


def test_missing_and_repeated_answers_are_counted_and_named(folder: Path) -> None:
    whole = rows(folder)
    change(folder, whole.slice(1))
    with pytest.raises(
        ResultError, match="digits/5w1s: 1 keys missing or repeated: seed 0 episode 0 query 0 missing"
    ):
        result.read(folder)
    change(folder, pa.concat_tables([whole, whole.slice(0, 1)]))
    with pytest.raises(ResultError, match="seed 0 episode 0 query 0 twice"):
        result.read(folder)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("episode", pa.array([99], pa.int32()), "episode 99 was not asked for"),
        ("seed", pa.array([7], pa.int16()), "seed 7 was not asked for"),
        ("prediction", pa.array([5], pa.int16()), "prediction outside 0..4"),
    ],
)
def test_answers_out_of_range_are_named(folder: Path, column: str, values: pa.Array, message: str) -> None:
    whole = rows(folder)
    first = whole.slice(0, 1).set_column(
        whole.schema.get_field_index(column), whole.schema.field(column), values
    )
    change(folder, pa.concat_tables([first, whole.slice(1)]))
    with pytest.raises(ResultError, match=message):
        result.read(folder)


def test_damaged_files_are_named(folder: Path) -> None:
    path = folder / result.PREDICTIONS
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ResultError, match=r"predictions.parquet: SHA-256 is .*, submission.json says"):
        result.read(folder)
    path.unlink()
    with pytest.raises(ResultError, match=rf"predictions.parquet: cannot be read in {folder}: No such file"):
        result.read(folder)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "schema_version",
            9,
            "submission.json: schema_version: 9 is newer than this metanas, which reads 1 to 2",
        ),
        ("surprise", 1, "submission.json: surprise: Extra inputs are not permitted"),
        ("seeds", [], "submission.json: seeds: "),
    ],
)
def test_a_wrong_field_is_named(folder: Path, field: str, value: object, message: str) -> None:
    document = json.loads((folder / result.SUBMISSION).read_text())
    (folder / result.SUBMISSION).write_text(json.dumps(document | {field: value}))
    with pytest.raises(ResultError, match=message):
        result.read(folder)


@pytest.mark.parametrize("version", sorted(path.name for path in EARLIER.iterdir()))
def test_results_of_every_earlier_version_load_for_ever(version: str) -> None:
    found = result.read(EARLIER / version)
    assert f"v{found.submission.schema_version}" == version
    assert found.answers["digits/5w1s"].accuracy.mean() == pytest.approx(0.7, abs=0.06)


def test_a_truncated_table_whose_hash_fits_is_named(folder: Path) -> None:
    path = folder / result.PREDICTIONS
    path.write_bytes(path.read_bytes()[:-100])
    document = json.loads((folder / result.SUBMISSION).read_text())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / result.SUBMISSION).write_text(json.dumps(document | {"predictions_sha256": digest}))
    with pytest.raises(ResultError, match="predictions.parquet: not a readable Parquet file"):
        result.read(folder)


def test_reading_leaves_no_thread_that_could_abort_the_process_as_it_ends(folder: Path) -> None:
    code = "import sys, psutil; from pathlib import Path; from metanas.evaluation import result\n"
    code += "count = psutil.Process().num_threads\n"
    code += "before, _ = count(), result.read(Path(sys.argv[1]))\n"
    code += "assert count() == before, f'{count() - before} threads more'"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"text"])
def test_a_damaged_piece_of_a_run_is_named_with_what_to_do(content: bytes, tmp_path: Path) -> None:
    piece = tmp_path / "run/seed0/langid-5w1s.parquet"
    piece.parent.mkdir(parents=True)
    piece.write_bytes(content)
    with pytest.raises(
        result.ResultError, match="run/seed0/langid-5w1s.parquet: .*; delete it, and the same"
    ):
        result.read_table(piece, result.SCHEMA)
