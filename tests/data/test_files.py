"""What is wrong with a file is said with its name; good files read as the standard loaders read them."""

import io
import shutil
import wave
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples
from metanas.data.store import open_store
from tasks.files import members, samples, table


def wav(samples: bytes = b"\1\0" * 80, channels: int = 1, width: int = 2, rate: int = 16_000) -> bytes:
    raw = io.BytesIO()
    with wave.open(raw, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)
    return raw.getvalue()


def load(name: str, root: Path) -> Examples:
    return DOMAINS[name]().load(root)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1 cut short", "a.parquet: not a readable .parquet file"),
        ("a.csv", b"question,category\nwhy,x\n", "a.csv: no column 'text'; it has question, category"),
        ("a.csv", b"text,category\n", "a.csv: no rows in it"),
        ("a.csv", b"text,category\nwhy,\n", "a.csv: row 1: category is ''"),
        ("a.csv", b"text,category\nwhy\n", "a.csv: row 1: category is None"),
        ("a.csv", b"text,category\n\xff\xfe,x\n", "a.csv: not a readable .csv file: .*utf-8"),
        ("a.jsonl", b'{"text": "why", "category": "x"}\n{"text', "a.jsonl: not a readable .jsonl file"),
        ("a.jsonl", b'{"text": NaN, "category": "x"}\n', "a.jsonl: row 1: text is nan"),
    ],
)
def test_a_bad_table_is_named_with_the_reason(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        table(tmp_path / name, ("text", "category"))


def test_a_parquet_file_with_other_columns_or_nan_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [1], "label": [2]}), file)
    with pytest.raises(DataError, match="a.parquet: no column 'img'; it has image, label"):
        table(file, ("img", "label"))
    pq.write_table(pa.table({"img": [1.0, float("nan")], "label": [2, 3]}), file)
    with pytest.raises(DataError, match="a.parquet: row 2: img is nan"):
        table(file, ("img", "label"))
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match="a.parquet: not a readable .parquet file"):
        table(file, ("img", "label"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"ID3 no sound", "yes/a.wav: not a WAV file"),
        (wav()[:30], "yes/a.wav: not a WAV file"),
        (wav(channels=2), "yes/a.wav: 2 channels of 16 bits, expected 1 of 16"),
        (wav(b"\1" * 80, width=1), "yes/a.wav: 1 channels of 8 bits, expected 1 of 16"),
        (wav(b""), "yes/a.wav: no samples in it"),
    ],
)
def test_a_clip_that_is_none_is_named(content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        samples("yes/a.wav", content)


def test_a_bad_archive_is_named(tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar.gz"):
        (tmp_path / name).write_bytes(b"not an archive")
        with pytest.raises(DataError, match=f"{name}: not a readable folder or archive"):
            list(members(tmp_path / name, ".wav"))


def test_bad_files_of_a_domain_are_named(tmp_path: Path, shared: Path) -> None:
    with pytest.raises(DataError, match="omniglot/images_background.parquet is missing"):
        load("omniglot", tmp_path)
    raw = tmp_path / "MNIST/raw"
    shutil.copytree(shared / "MNIST/raw", raw)
    labels = raw / "t10k-labels-idx1-ubyte"
    labels.chmod(0o644)
    labels.write_bytes(labels.read_bytes()[:-1])
    with pytest.raises(
        DataError, match=r"t10k-labels-idx1-ubyte: 10007 bytes, but its header says \[10000\]"
    ):
        load("mnist", tmp_path)
    labels.write_bytes(b"text")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte: not an idx file of bytes"):
        load("mnist", tmp_path)
    clips = tmp_path / "fsdd/recordings"
    clips.mkdir(parents=True)
    (clips / "7_george_0.wav").write_bytes(wav(rate=8_000)[:20])
    with pytest.raises(DataError, match="7_george_0.wav: not a WAV file"):
        load("fsdd", tmp_path)
    (clips / "7_george_0.wav").write_bytes(wav(rate=16_000))
    with pytest.raises(DataError, match="7_george_0.wav: 16000 Hz, expected 8000"):
        load("fsdd", tmp_path)
    questions = tmp_path / "text/trec"
    questions.mkdir(parents=True)
    (questions / "train_5500.label").write_text("NUM:dist How far ?\nwithout a label\n")
    (questions / "TREC_10.label").write_text("NUM:dist How far ?\n")
    with pytest.raises(DataError, match="train_5500.label: line 2 is not 'COARSE:fine question'"):
        load("trec-fine", tmp_path)


def test_a_class_without_examples_is_named(
    tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METANAS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "text/banking77"
    folder.mkdir(parents=True)
    for name in ("train.csv", "test.csv"):
        rows = (shared / "text/banking77" / name).read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [row for row in rows if not row.rstrip().endswith(",card_arrival")]
        (folder / name).write_text("".join(kept), encoding="utf-8")
    with pytest.raises(DataError, match="banking77: class 'card_arrival' of .* has no examples"):
        open_store("banking77", tmp_path)


def test_mnist_reads_as_torchvision_reads_it(shared: Path) -> None:
    from torchvision.datasets import MNIST

    ours = load("mnist", shared)
    theirs = [MNIST(str(shared), train=train, download=False) for train in (True, False)]
    assert (ours.x[:, 0] == np.concatenate([part.data.numpy() for part in theirs])).all()
    assert (ours.labels == np.concatenate([part.targets.numpy() for part in theirs])).all()


def test_cifar10_reads_as_hugging_face_datasets_reads_it(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasets import load_dataset

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ours = load("cifar10", shared)
    files = {"test": str(shared / "cifar10/test.parquet")}
    theirs = load_dataset("parquet", data_files=files, split="test", cache_dir=str(tmp_path))
    first = len(ours.labels) - len(theirs)
    assert ours.labels[first:].tolist() == theirs["label"]
    assert [ours.classes[label] for label in ours.labels[first : first + 20]] == [
        theirs.features["label"].int2str(label) for label in theirs["label"][:20]
    ]
    for at in (0, 500, 999):
        assert (ours.x[first + at].transpose(1, 2, 0) == np.asarray(theirs[at]["img"])).all()


def test_an_archive_reads_as_the_folder_or_parquet_with_the_same_files(tmp_path: Path, shared: Path) -> None:
    """The full sets come as archives: fsdd's zip, omniglot's two."""
    archive = tmp_path / "fsdd/free-spoken-digit-dataset-1.0.10.zip"
    archive.parent.mkdir()
    with zipfile.ZipFile(archive, "w") as file:
        for clip in sorted((shared / "fsdd/recordings").glob("*_[0-4].wav")):
            file.write(clip, f"free-spoken-digit-dataset-1.0.10/recordings/{clip.name}")
    part, whole = load("fsdd", tmp_path), load("fsdd", shared)
    assert part.sample and not whole.sample
    at = [whole.extra["clip"].index(name) for name in part.extra["clip"]]
    assert np.array_equal(part.x, whole.x[at], equal_nan=True)
    zips, parquets = tmp_path / "zips", tmp_path / "parquets"
    for folder in (zips, parquets):
        (folder / "omniglot").mkdir(parents=True)
    for name in ("images_background", "images_evaluation"):
        some = pq.ParquetFile(shared / f"omniglot/{name}.parquet").read().slice(0, 700)
        pq.write_table(some, parquets / f"omniglot/{name}.parquet")
        with zipfile.ZipFile(zips / f"omniglot/{name}.zip", "w") as file:
            for row in some.column("image").to_pylist():
                file.writestr(row["path"], row["bytes"])
    a, b = load("omniglot", zips), load("omniglot", parquets)
    assert a.source == b.source and a.sample and len(a.labels) == 4 * 1400
    assert (a.labels == b.labels).all() and (a.x == b.x).all() and np.array_equal(a.groups, b.groups)  # type: ignore[arg-type]
