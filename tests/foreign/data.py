"""The data of the foreign package, made small: a file or folder for each kind of source."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from PIL import Image

CLASSES, EACH = 10, 8


def make(root: Path) -> None:
    """Write everything below the data folder."""
    notes(root / "fieldwork/notes")
    clothes(root / "FashionMNIST/raw")
    words(root / "SpeechCommands/speech_commands_v0.02")
    leaves(root / "leaves")
    letters(root / "letters.csv")


def sentence(topic: int, number: int) -> str:
    words = np.random.default_rng([topic, number]).choice([f"w{topic}", f"v{topic}", "and", "so", "on"], 6)
    return " ".join(words)


def notes(folder: Path) -> None:
    """A local copy of a data set of the Hugging Face hub: Parquet, as `datasets` writes it."""
    folder.mkdir(parents=True)
    rows = [
        {"note": sentence(topic, i), "topic": f"topic {topic}", "writer": f"writer {i % 3}"}
        for topic in range(CLASSES)
        for i in range(EACH)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000-of-00001.parquet")


def clothes(folder: Path) -> None:
    """The two parts of FashionMNIST in the files of its publisher, which torchvision reads."""
    folder.mkdir(parents=True)
    for part, count in (("train", 60), ("t10k", 30)):
        labels = np.arange(count) % CLASSES
        images = np.random.default_rng(count).integers(0, 90, (count, 28, 28)) + 16 * labels[:, None, None]
        header = np.array([0x803, count, 28, 28], ">i4").tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + images.astype(np.uint8).tobytes())
        header = np.array([0x801, count], ">i4").tobytes()
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + labels.astype(np.uint8).tobytes())


def words(folder: Path) -> None:
    """Tones instead of words, in files named as those of Speech Commands, which torchaudio reads."""
    for number in range(CLASSES):
        (folder / f"word{number}").mkdir(parents=True)
        for i in range(EACH):
            noise = np.random.default_rng([number, i]).normal(0, 200, 4000)
            clip = np.sin(np.arange(4000) * (0.1 + 0.2 * number)) * 8000 + noise
            soundfile.write(folder / f"word{number}/p{i}_nohash_0.wav", clip.astype(np.int16), 16000)


def leaves(folder: Path) -> None:
    for number in range(CLASSES):
        place = folder / ("train" if number < CLASSES // 2 else "test") / f"leaf{number}"
        place.mkdir(parents=True)
        for i in range(EACH):
            noise = np.random.default_rng([number, i]).integers(0, 60, (14, 14, 3))
            Image.fromarray((noise + 19 * number).astype(np.uint8)).save(place / f"{i}.png")


def letters(file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as lines:
        rows = csv.writer(lines)
        rows.writerow(["letter", "mood"])
        rows.writerows([sentence(mood + 50, i), f"mood {mood}"] for mood in range(3) for i in range(EACH))
