"""Readers of the file formats that data sets are published in: tables, archives, WAV files.

Everything that is wrong with a file is a DataError that names it. Folders, zip and tar archives are read
alike, so that a data set need not be unpacked.
"""

import csv
import hashlib
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError
from metanas.data.adapter import Clip
from tasks.columns import Kind


def table(file: Path, columns: Mapping[str, Kind]) -> list[tuple[Any, ...]]:
    """Rows of a .parquet, .csv (with a header) or .jsonl file, only these columns, in that order.

    columns: what a value of each must be (`columns.py`). A byte-order mark is skipped. DataError if the file
    cannot be read, lacks a column or has no rows, or names the row of a value that is not of its kind.
    """
    readers = {".parquet": _parquet, ".csv": _csv, ".jsonl": _jsonl}
    try:
        if not file.stat().st_size:
            raise DataError(f"{file}: it is empty")
        rows = readers[file.suffix](file, tuple(columns))
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{file}: not a readable {file.suffix} file: {error}") from error
    if not rows:
        raise DataError(f"{file}: no rows in it")
    return [
        tuple(
            checked(f"{file}: row {number}: {name}", kind, value)
            for (name, kind), value in zip(columns.items(), row, strict=True)
        )
        for number, row in enumerate(rows, 1)
    ]


def checked(place: str, kind: Kind, value: Any) -> Any:
    """The value as its kind has it. DataError with the place (file, row, column) if it is none."""
    try:
        return kind(value)
    except ValueError as error:
        raise DataError(f"{place} is {value!r:.80}; {error}") from error


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


@contextmanager
def _text(file: Path) -> Iterator[TextIO]:
    """The file opened as UTF-8, its line ends as they are. DataError names the first line that is not."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as opened:
            yield opened
    except UnicodeDecodeError as error:
        lines = enumerate(file.read_bytes().splitlines(), 1)
        number = next(number for number, line in lines if not _is_utf8(line))
        raise DataError(f"{file}: line {number}: not UTF-8 ({error.reason}); save it as UTF-8") from error


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _csv(file: Path, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    with _text(file) as lines:
        reader = csv.DictReader(lines, strict=True)
        header = list(reader.fieldnames or ())
        if len(header) == 1 and (others := [mark for mark in ";\t|" if mark in header[0]]):
            raise DataError(f"{file}: its separator is {others[0]!r}; it must be a comma")
        _check_columns(file, names, header)
        rows = []
        for row in reader:
            if None in row:  # where DictReader puts what has no column
                raise DataError(f"{file}: line {reader.line_num} has more cells than the header has columns")
            rows.append(tuple(row[name] for name in names))
        return rows


def _jsonl(file: Path, names: tuple[str, ...]) -> list[tuple[Any, ...]]:
    with _text(file) as lines:
        rows = [json_object(f"{file}: row {n}", line) for n, line in enumerate(lines, 1) if line.strip()]
    _check_columns(file, names, rows[0] if rows else names)
    return [tuple(row.get(name) for name in names) for row in rows]


def json_object(place: str, text: str | bytes) -> dict[str, Any]:
    """The JSON object in a text. DataError, with the place, if it is not JSON or another value."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}") from error
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected a JSON object, got {value!r:.60}")
    return value


def _check_columns(file: Path, wanted: tuple[str, ...], columns: Iterable[str]) -> None:
    columns = list(columns)
    for name in wanted:
        if name not in columns:
            raise DataError(f"{file}: no column {name!r}; it has {', '.join(columns)}")
        if columns.count(name) > 1:
            raise DataError(f"{file}: the column {name!r} stands {columns.count(name)} times in the header")


def members(path: Path, suffix: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every file that ends in `suffix`: sorted by name, of a tar archive in its order.

    Without what operating systems add: hidden files (`._a.wav`, `.DS_Store`) and the folder `__MACOSX`.
    """
    try:
        if path.is_dir():
            for file in sorted(path.rglob(f"*{suffix}")):
                name = file.relative_to(path).as_posix()
                if file.is_file() and not _added_by_a_system(name):
                    yield name, file.read_bytes()
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(suffix) and not name.endswith("/") and not _added_by_a_system(name):
                        yield name, archive.read(name)
        else:
            with tarfile.open(path) as tar:
                for member in tar:
                    opened = tar.extractfile(member) if member.isfile() else None
                    if opened and member.name.endswith(suffix) and not _added_by_a_system(member.name):
                        yield member.name, opened.read()
    except (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path}: not a readable folder or archive: {error}") from error
    except RuntimeError as error:  # zipfile: a password, or a compression that it does not know
        raise DataError(f"{path}: not a readable folder or archive: {error}") from error


def _added_by_a_system(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or any(part.startswith(".") and part != ".." for part in parts)


def samples(name: str, content: bytes) -> tuple[NDArray[np.int16], int]:
    """Samples and rate (Hz) of a mono WAV file of 16-bit integers, in any form of its header.

    DataError for any other, and for one that is shorter than its header says.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            form, channels, rate = (file.format, file.subtype), file.channels, file.samplerate
            if form not in (("WAV", "PCM_16"), ("WAVEX", "PCM_16")) or channels != 1:
                raise DataError(
                    f"{name}: {file.format_info}, {file.subtype_info}, {channels} channels; expected one "
                    "channel of 16-bit integers in a WAV file (SoX converts it: sox IN -b 16 -c 1 OUT.wav)"
                )
            clip = file.read(dtype="int16")
    except soundfile.LibsndfileError as error:
        raise DataError(f"{name}: not a WAV file: {error.error_string}") from error
    check_whole(name, content)
    if not len(clip):
        raise DataError(f"{name}: no samples in it")
    return clip, rate


def check_whole(name: str, content: bytes) -> None:
    """DataError for a WAV file that is shorter than its header says (a stream's says 0 or the largest)."""
    promised = int.from_bytes(content[4:8], "little") + 8
    if content[:4] == b"RIFF" and len(content) < promised < 2**32 - 1:
        raise DataError(f"{name}: cut off: {len(content)} bytes, but its header says {promised}")


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
