"""What is wrong with a file is said with its name; good files read as the standard loaders read them."""

import io
import json
import shutil
import tarfile
import wave
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from numpy.typing import NDArray
from PIL import Image

from metanas.base.errors import DataError
from metanas.data.adapter import DOMAINS, Examples
from metanas.data.store import open_store
from tasks.columns import image_file, number, one_of, text
from tasks.files import members, samples, table
from tasks.modality.image import decode


def wav(samples: bytes = b"\1\0" * 80, channels: int = 1, width: int = 2, rate: int = 16_000) -> bytes:
    raw = io.BytesIO()
    with wave.open(raw, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples)
    return raw.getvalue()


def sound(rate: int = 16_000, length: int = 400, **form: str) -> bytes:
    raw = io.BytesIO()
    soundfile.write(raw, np.arange(length, dtype=np.int16), rate, **{"format": "WAV", **form})
    return raw.getvalue()


def png(pixels: NDArray[Any]) -> bytes:
    raw = io.BytesIO()
    Image.fromarray(pixels).save(raw, "PNG")
    return raw.getvalue()


def load(name: str, root: Path) -> Examples:
    return DOMAINS[name]().load(root)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"PAR1 cut short", "a.parquet: not a readable .parquet file"),
        ("a.csv", b"question,category\nwhy,x\n", "a.csv: no column 'text'; it has question, category"),
        ("a.csv", b"text,category\nwhy,1\nso,2,3\n", "a.csv: line 3 has more cells than the header"),
        ("a.csv", b"text,category,text\nwhy,1,2\n", "a.csv: the column 'text' stands 2 times in the header"),
        ("a.csv", b"text,category\n", "a.csv: no rows in it"),
        ("a.csv", b"text,category\nwhy,\n", "a.csv: row 1: category is ''"),
        ("a.csv", b"text,category\nwhy\n", "a.csv: row 1: category is None"),
        ("a.csv", b"text,category\n\xff\xfe,x\n", "a.csv: line 2: not UTF-8 .*; save it as UTF-8"),
        ("a.csv", "text,category\n".encode("utf-16"), "a.csv: line 1: not UTF-8 .*; save it as UTF-8"),
        ("a.csv", b"", "a.csv: it is empty"),
        ("a.csv", b"text;category\nwhy;x\n", "a.csv: its separator is ';'; it must be a comma"),
        ("a.jsonl", b'{"text": "why", "category": "x"}\n{"text', "a.jsonl: row 2: not JSON: Unterminated"),
        ("a.jsonl", b'{"text": NaN, "category": "x"}\n', "a.jsonl: row 1: text is nan; expected text"),
        ("a.jsonl", b'{"text": "why", "category": 3}\n', "a.jsonl: row 1: category is 3; expected text"),
        ("a.jsonl", b'{"text": "why"}\n["why", "x"]\n', "a.jsonl: row 2: expected a JSON object, got .'why"),
        ("a.jsonl", b'{"text": ' + b"[" * 100_000, "a.jsonl: row 1: not JSON: maximum recursion depth"),
        ("a.jsonl", b'{"text": "\\ud800", "category": "x"}', "a.jsonl: row 1: text is .*half of a surrogate"),
        ("a.jsonl", "why".encode("utf-16"), "a.jsonl: line 1: not UTF-8 .*; save it as UTF-8"),
    ],
)
def test_a_bad_table_is_named_with_the_reason(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        table(tmp_path / name, {"text": text, "category": text})


def test_a_parquet_file_with_other_columns_or_nan_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"image": [1], "label": [2]}), file)
    with pytest.raises(DataError, match="a.parquet: no column 'img'; it has image, label"):
        table(file, {"img": image_file, "label": number(0, 9)})
    pq.write_table(pa.table({"img": [{"bytes": b"x", "path": "a.png"}, None], "label": [2, 3]}), file)
    with pytest.raises(DataError, match="a.parquet: row 2: img is None; expected an image as"):
        table(file, {"img": image_file, "label": number(0, 9)})
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DataError, match="a.parquet: not a readable .parquet file"):
        table(file, {"img": image_file, "label": number(0, 9)})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0\5\x16\7 what macOS adds", "yes/a.wav: not a WAV file"),
        (b"ID3 no sound", "yes/a.wav: not a WAV file"),
        (wav()[:30], "yes/a.wav: not a WAV file"),
        (wav(channels=2), "yes/a.wav: WAV .*, Signed 16 bit PCM, 2 channels; expected one channel of 16-bit"),
        (wav(b"\1" * 80, width=1), "yes/a.wav: WAV .*, Unsigned 8 bit PCM, 1 channels; expected one channel"),
        (sound(subtype="PCM_24"), "yes/a.wav: WAV .*, Signed 24 bit PCM, .*SoX converts it"),
        (sound(subtype="FLOAT"), "yes/a.wav: WAV .*, 32 bit float, "),
        (sound(format="FLAC"), "yes/a.wav: FLAC .*, Signed 16 bit PCM, "),
        (wav()[:-80], "yes/a.wav: cut off: 124 bytes, but its header says 204"),
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
    with pytest.raises(DataError, match="7_george_0.wav: (not a WAV file|cut off)"):
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
    with pytest.raises(DataError, match="banking77: splits: no example of class 'card_arrival' of train"):
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


def test_a_clip_of_any_header_reads_the_same(tmp_path: Path) -> None:
    """Format 65534, which the wave module refuses, and a header of a stream whose length was not known."""
    plain, rate = samples("a.wav", sound())
    assert (samples("a.wav", sound(format="WAVEX"))[0] == plain).all() and rate == 16_000
    stream = sound()
    assert (samples("a.wav", stream[:4] + b"\xff" * 4 + stream[8:])[0] == plain).all()


def test_a_clip_shorter_than_a_window_is_named(tmp_path: Path) -> None:
    clips = tmp_path / "fsdd/recordings"
    clips.mkdir(parents=True)
    (clips / "7_george_0.wav").write_bytes(sound(8_000, 128))
    with pytest.raises(
        DataError, match="7_george_0.wav: 128 samples at 8000 Hz; a spectrogram needs more than 128"
    ):
        load("fsdd", tmp_path)
    (clips / "7_george_0.wav").write_bytes(sound(8_000, 129))
    assert load("fsdd", tmp_path).x.shape == (1, 40, 64)


def test_what_an_operating_system_adds_is_skipped(tmp_path: Path) -> None:
    added = ("._7_george_0.wav", "__MACOSX/7_george_0.wav", ".hidden/7_george_0.wav")
    clips, archive, tar = tmp_path / "clips", tmp_path / "a.zip", tmp_path / "a.tar"
    for name in ("7_george_0.wav", *added):
        (clips / name).parent.mkdir(parents=True, exist_ok=True)
        (clips / name).write_bytes(b"RIFF")
    (clips / "folder.wav").mkdir()
    with zipfile.ZipFile(archive, "w") as file, tarfile.open(tar, "w") as other:
        for name in ("7_george_0.wav", *added):
            file.write(clips / name, f"x/{name}")
            other.add(clips / name, f"./x/{name}")
    assert [name for name, _ in members(clips, ".wav")] == ["7_george_0.wav"]
    assert [name for name, _ in members(archive, ".wav")] == ["x/7_george_0.wav"]
    assert [name for name, _ in members(tar, ".wav")] == ["./x/7_george_0.wav"]


def test_a_damaged_member_of_an_archive_names_the_archive(tmp_path: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.wav", bytes(range(256)) * 40)
    raw = bytearray(archive.read_bytes())
    raw[60:90] = b"\xff" * 30
    archive.write_bytes(raw)
    with pytest.raises(DataError, match="a.zip: not a readable folder or archive"):
        list(members(archive, ".wav"))


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    rows = {"a.csv": "text,label\nwhy,1\n", "a.jsonl": '{"text": "why", "label": 1}\n'}
    for name, content in rows.items():
        (tmp_path / name).write_text(content, encoding="utf-8-sig")
        assert table(tmp_path / name, {"text": text, "label": number(0, 1)}) == [("why", 1)]
    questions = tmp_path / "text/trec"
    questions.mkdir(parents=True)
    for file in ("train_5500.label", "TREC_10.label"):
        (questions / file).write_text("NUM:dist How far ?\n", encoding="utf-8-sig")
    assert len(load("trec-fine", tmp_path).labels) == 2, "none dropped"


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        (
            "sst2",
            "text/sst2/train.csv",
            "text,label\ngood,1\nbad,-1\n",
            "train.csv: row 2: label is '-1'; expected a whole number from 0 to 1",
        ),
        ("ag_news", "text/ag_news/train.csv", "text,label\ngood,4\n", "row 1: label is '4'; .* 0 to 3"),
        (
            "ag_news",
            "text/ag_news/train.csv",
            "text,label\ngood,sport\n",
            "row 1: label is 'sport'; .* 0 to 3",
        ),
        (
            "huffpost",
            "text/huffpost/data.jsonl",
            '{"text": "a", "label": -1}',
            "row 1: label is -1; .* 0 to 40",
        ),
        ("huffpost", "text/huffpost/data.jsonl", '{"text": "a", "label": true}', "row 1: label is True"),
        ("huffpost", "text/huffpost/data.jsonl", '{"text": ["a"], "label": 1}', "row 1: text is .'a'"),
        (
            "banking77",
            "text/banking77/train.csv",
            "text,category\nwhere?,card_arrival\nwhen?,Card_Arrival\n",
            "row 2: label 'Card_Arrival'; did you mean 'card_arrival'",
        ),
        (
            "trec-fine",
            "text/trec/train_5500.label",
            "num:dist How far ?\n",
            "line 1: label is 'num:dist'; .*NUM:dist",
        ),
        (
            "clinc150",
            "text/clinc150/data_full.json",
            json.dumps({"train": [["hi", "GREETING"]]}),
            "train, row 1: intent is 'GREETING'.*did you mean 'greeting'",
        ),
        (
            "clinc150",
            "text/clinc150/data_full.json",
            json.dumps({"train": ["hi"]}),
            "train, row 1: expected .request",
        ),
        ("clinc150", "text/clinc150/data_full.json", "[1]", "data_full.json: expected a JSON object"),
    ],
)
def test_a_label_that_is_none_names_file_and_row(
    name: str, file: str, content: str, message: str, tmp_path: Path
) -> None:
    """-1 counted from the end, and another case left the row out: both without a word."""
    for other in ("text/sst2/validation.csv", "text/sst2/test.csv", "text/ag_news/test.csv"):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_text("text,label\ngood,1\n")
    for other in ("text/banking77/test.csv", "text/trec/TREC_10.label", file):
        (tmp_path / other).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other).write_text(content)
    with pytest.raises(DataError, match=message):
        load(name, tmp_path)


def test_classes_that_are_not_used_may_stand_in_a_file() -> None:
    kind = one_of(["NUM:dist"], others=True)
    assert kind("NUM:other") == "NUM:other"
    with pytest.raises(ValueError, match="did you mean 'NUM:dist'"):
        kind("Num: dist")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n cut", "row 1: not a readable image"),
        (png(np.zeros((28, 28, 3), np.uint8)), "row 1: 28x28 pixels, expected 32x32"),
        (png(np.full((32, 32), 40_000, np.uint16)), "row 1: more than 8 bits per channel .*I;16"),
        (png(np.zeros((32, 32, 3), np.uint8))[:50], "row 1: not a readable image"),
    ],
)
def test_an_image_that_is_none_names_file_and_row(content: bytes, message: str, tmp_path: Path) -> None:
    """16-bit grey became all white."""
    (tmp_path / "cifar10").mkdir()
    for part in ("train", "test"):
        rows = pa.table({"img": [{"bytes": content, "path": "a.png"}], "label": [0]})
        pq.write_table(rows, tmp_path / f"cifar10/{part}.parquet")
    with pytest.raises(DataError, match=f"train.parquet: {message}"):
        load("cifar10", tmp_path)


def test_an_image_that_would_fill_the_memory_is_named() -> None:
    for side, message in (
        (100_000, "not a readable image: Image size"),
        (5_000, "5000x5000 pixels, expected at most"),
    ):
        header = side.to_bytes(4, "big") * 2 + b"\x08\x00\x00\x00\x00"
        chunk = b"IHDR" + header
        bomb = b"\x89PNG\r\n\x1a\n" + len(header).to_bytes(4, "big") + chunk
        bomb += (
            zlib.crc32(chunk).to_bytes(4, "big") + bytes(4) + b"IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
        )
        with pytest.raises(DataError, match=f"a.png: {message}"):
            decode("a.png", bomb, "L", 28, resize=True)
