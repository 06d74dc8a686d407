"""Readers of the file formats that data sets are published in: tables, archives, WAV files.

Everything that is wrong with a file is a DataError that names it. Folders, zip and tar archives are read
alike, so that a data set need not be unpacked.
"""

import csv
import hashlib
import io
import json
import tarfile
import wave
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError
from metanas.data.adapter import Clip


def table(file: Path, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    """Rows of a .parquet, .csv (with a header) or .jsonl file, only the columns `names`, in that order.

    DataError if the file cannot be read, lacks a column, or has no rows or an empty value.
    """
    readers = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl}
    try:
        rows = readers[file.suffix](file, names)
    except (OSError, UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise DataError(f"{file}: not a readable {file.suffix} file: {error}") from error
    if not rows:
        raise DataError(f"{file}: no rows in it")
    for number, row in enumerate(rows, 1):
        for name, value in zip(names, row, strict=True):
            if value is None or value != value or value == "":
                raise DataError(f"{file}: row {number}: {name} is {value!r}")
    return rows


def _parquet(file: Path, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            _check_columns(file, names, opened.schema_arrow.names)
            columns = opened.read(columns=list(names))
    except pa.ArrowException as error:
        raise DataError(f"{file}: not a readable .parquet file: {error}") from error
    return list(zip(*(columns.column(name).to_pylist() for name in names), strict=True))


def _csv(file: Path, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    with file.open(newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines, strict=True)
        _check_columns(file, names, reader.fieldnames or ())
        return [tuple(row[name] for name in names) for row in reader]


def _jsonl(file: Path, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    _check_columns(file, names, rows[0] if rows else names)
    return [tuple(row.get(name) for name in names) for row in rows]


def _check_columns(file: Path, wanted: tuple[str, ...], columns: Iterable[str]) -> None:
    columns = list(columns)
    for name in wanted:
        if name not in columns:
            raise DataError(f"{file}: no column {name!r}; it has {', '.join(columns)}")


def members(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file that ends in `suffix`: sorted by name, of a tar archive in its order."""
    try:
        if path.is_dir():
            for file in sorted(path.rglob(f"*{suffix}")):
                yield file.relative_to(path).as_posix(), file.read_bytes()
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(suffix):
                        yield name, archive.read(name)
        else:
            with tarfile.open(path) as tar:
                for member in tar:
                    opened = tar.extractfile(member) if member.isfile() else None
                    if opened is not None and member.name.endswith(suffix):
                        yield member.name, opened.read()
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DataError(f"{path}: not a readable folder or archive: {error}") from error


def samples(name: str, content: bytes) -> tuple[NDArray[np.int16], int]:
    """Samples and rate (Hz) of a mono 16-bit WAV file. DataError for any other."""
    try:
        with wave.open(io.BytesIO(content)) as file:
            channels, width = file.getnchannels(), file.getsampwidth()
            rate, raw = file.getframerate(), file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise DataError(f"{name}: not a WAV file: {error}") from error
    if (channels, width) != (1, 2):
        raise DataError(f"{name}: {channels} channels of {8 * width} bits, expected 1 of 16")
    if not raw:
        raise DataError(f"{name}: no samples in it")
    return np.frombuffer(raw, "<i2").astype(np.int16), rate


def sounds(path: Path, names: Iterable[str]) -> Iterator[tuple[str, Clip]]:
    """(name, clip) of the WAV files in a folder or archive whose paths end in one of `names`."""
    wanted = tuple(f"/{name}" for name in names)
    for name, content in members(path, ".wav"):
        if f"/{name}".endswith(wanted):
            yield next(n[1:] for n in wanted if f"/{name}".endswith(n)), samples(name, content)


def digest(parts: Iterable[bytes]) -> str:
    """SHA-256 of the parts in order, each preceded by its length."""
    sha = hashlib.sha256()
    for part in parts:
        sha.update(len(part).to_bytes(8, "little"))
        sha.update(part)
    return sha.hexdigest()
