"""The examples of a declared source, one `Row` each: tables and folders by `files.py`, others by a library.

`datasets`, torchvision and torchaudio download, cache, resume and lock themselves. What they decode is read
undecoded where it can be: image and sound files as bytes.
"""

import inspect
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from metanas.base.errors import DataError, InvalidValue, MetanasError
from metanas.data.files import downloads
from tasks.columns import Kind, series, text
from tasks.declared.spec import DomainFile
from tasks.files import members, table

SUFFIXES = {
    "image": (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm", ".tif", ".tiff"),
    "speech": (".wav", ".flac", ".ogg", ".mp3", ".aiff"),
    "text": (".txt",),
}
AUDIO_SETS = {"SPEECHCOMMANDS": ("SpeechCommands", ("path", "rate", "label", "speaker"))}  # folder, metadata


class Row(NamedTuple):
    """One example. place: for messages. value: a text, a series, an image or sound file, or an opened image.

    group, split: of its columns, None where the YAML names none.
    """

    place: str
    value: Any
    label: str
    group: str | None = None
    split: str | None = None


def rows(name: str, spec: DomainFile, files: Sequence[Path], folder: str) -> Iterator[Row]:
    """The examples of the source in its order. DataError names the file, row or library's fault.

    files: what `DeclaredDomain.locate` found; without any, the library downloads. folder: what torchvision or
    torchaudio reads below the folder that it is given.
    """
    kind = spec.source.kind
    if kind in ("csv", "parquet", "jsonl"):
        for file in files:
            yield from _of_table(spec, file)
        return
    if kind == "folder":
        yield from _of_folder(spec, files[0])
        return
    try:
        if kind == "hf":
            yield from _of_datasets(spec, files[0] if files else None)
        else:
            above = files[0].parents[len(Path(folder).parts) - 1] if files else downloads() / kind
            read = _of_torchvision if kind == "torchvision" else _of_torchaudio
            yield from read(spec, above, download=not files)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, MetanasError):
            raise error if isinstance(error, DataError) else DataError(f"{name}: {error}") from error
        said = " ".join(str(error).split())
        raise DataError(
            f"{name}: {kind} {spec.source.names[0]} cannot be read ({type(error).__name__}: {said:.300}); "
            "without a network, give a local copy below --data-root or beside the YAML file"
        ) from error


def _label(value: Any) -> str:
    """The name of a class: text, or a whole number, also where a table has 3.0 for it beside empty cells."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value != value or value % 1:
            raise ValueError("expected a class: text or a whole number")
        return str(int(value))
    return text(value)


def _file_or_text(value: Any) -> Any:
    """An image or sound file as Hugging Face's structure {bytes, path}, or its path as text."""
    if isinstance(value, dict) and isinstance(value.get("bytes"), bytes):
        return bytes(value["bytes"])
    if isinstance(value, dict):
        value = value.get("path")
    return text(value)


def _columns(spec: DomainFile) -> dict[str, Kind]:
    """The columns to read, each once, and what a value may be."""
    source = spec.source
    value: Kind = {"text": text, "series": series}.get(spec.modality, _file_or_text)
    columns = {source.label: _label, spec.input: value}
    return columns | {column: _label for column in (source.group, spec.split_column) if column}


def _row(spec: DomainFile, place: str, values: dict[str, Any], folder: Path) -> Row:
    value, source = values[spec.input], spec.source
    if spec.modality != "text" and isinstance(value, str):
        try:
            value = (folder / value).read_bytes()
        except OSError as error:
            raise DataError(
                f"{place}: {spec.input} is {value!r}, which cannot be read: {error.strerror}"
            ) from error
    group, split = (values[c] if c else None for c in (source.group, spec.split_column))
    return Row(place, value, values[source.label], group, split)


def _of_table(spec: DomainFile, file: Path) -> Iterator[Row]:
    columns = _columns(spec)
    for number, values in enumerate(table(file, columns), 1):
        yield _row(spec, f"{file}: row {number}", dict(zip(columns, values, strict=True)), file.parent)


def _of_folder(spec: DomainFile, path: Path) -> Iterator[Row]:
    """Files whose place in the layout, counted from the end, says class, group and split."""
    levels, others, read = spec.source.layout.split("/"), Counter[str](), False
    for name, content in members(path, ""):
        if not name.lower().endswith(SUFFIXES[spec.modality]):
            others[PurePosixPath(name).suffix or "no ending"] += 1
            continue
        parts = name.split("/")
        if len(parts) < len(levels):
            raise DataError(f"{path}: {name} is not in the layout {spec.source.layout}")
        at = dict(zip(levels, parts[-len(levels) :], strict=True))
        value: Any = content
        if spec.modality == "text":
            try:
                value = content.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise DataError(f"{path}: {name}: not UTF-8: {error}") from error
        yield Row(f"{path}: {name}", value, at["class"], at.get("group"), at.get("split"))
        read = True
    if not read:
        there = ", ".join(f"{count} of {suffix}" for suffix, count in others.most_common(3)) or "no files"
        endings = ", ".join(SUFFIXES[spec.modality])
        raise DataError(f"{path}: no {spec.modality} files, which end in {endings}; it has {there}")


def _of_datasets(spec: DomainFile, local: Path | None) -> Iterator[Row]:
    import datasets

    source, revision = spec.source, None if local else spec.source.revision
    where = source.names[0] if local is None else str(local)
    try:
        opened: Any = datasets.load_dataset(where, source.config, revision=revision)
    except datasets.exceptions.DatasetsError as error:
        raise ValueError(f"{error} {error.__cause__ or ''}") from error
    parts = [str(part) for part in source.parts] or sorted(opened)
    for part in parts:
        if part not in opened:
            raise InvalidValue(f"source: no part {part!r} in {source.hf}; there are: {', '.join(opened)}")
        rows = opened[part]
        columns = _columns(spec)
        if missing := [column for column in columns if column not in rows.features]:
            raise DataError(
                f"{source.hf}: {part}: no column {missing[0]!r}; it has {', '.join(rows.features)}"
            )
        feature = rows.features[spec.input]
        if isinstance(feature, datasets.Image | datasets.Audio):
            rows = rows.cast_column(spec.input, type(feature)(decode=False))
        names = {c: f.names for c, f in rows.features.items() if isinstance(f, datasets.ClassLabel)}
        for number, found in enumerate(rows.select_columns(list(columns)), 1):
            place = f"{source.hf}: {part}: row {number}"
            values = {c: names[c][v] if c in names and v >= 0 else v for c, v in found.items()}
            for column, kind in columns.items():
                try:
                    values[column] = kind(values[column])
                except ValueError as error:
                    raise DataError(f"{place}: {column} is {values[column]!r:.80}; {error}") from error
            yield _row(spec, place, values, local or Path())


def _of_torchvision(spec: DomainFile, root: Path, *, download: bool) -> Iterator[Row]:
    import torchvision

    source, made = spec.source, getattr(torchvision.datasets, spec.source.names[0], None)
    if made is None:
        raise InvalidValue(f"torchvision.datasets has no {source.torchvision!r}")
    takes = inspect.signature(made).parameters
    default = [{"train": True}, {"train": False}] if "train" in takes else [{}]
    parts = [{"split": part} if isinstance(part, str) else part for part in source.parts] or default
    for arguments in parts:
        more = {"download": download} if "download" in takes or "kwargs" in takes else {}
        opened = made(root, **arguments, **more)
        classes = getattr(opened, "classes", None)
        said = ", ".join(f"{key}={value}" for key, value in arguments.items())
        for number in range(len(opened)):
            image, label, *_ = opened[number]
            label_name = str(classes[label]) if classes and isinstance(label, int) else str(label)
            yield Row(f"{source.torchvision}({said})[{number}]", image, label_name)


def _of_torchaudio(spec: DomainFile, root: Path, *, download: bool) -> Iterator[Row]:
    import torchaudio

    source = spec.source
    if source.torchaudio not in AUDIO_SETS:
        raise InvalidValue(
            f"torchaudio {source.torchaudio!r} has no classes that can be read here; there are: "
            f"{', '.join(AUDIO_SETS)}; or read its files: source: {{folder: PATH, layout: class/file}}"
        )
    folder, fields = AUDIO_SETS[source.torchaudio]
    root.mkdir(parents=True, exist_ok=True)
    opened = getattr(torchaudio.datasets, source.torchaudio)(root, download=download)
    for number in range(len(opened)):
        values = dict(zip(fields, opened.get_metadata(number), strict=False))
        if source.label not in values or (source.group or source.label) not in values:
            raise InvalidValue(f"{source.torchaudio} has the columns {', '.join(fields[2:])}")
        path = root / folder / values["path"]
        group = values[source.group] if source.group else None
        yield Row(str(values["path"]), path.read_bytes(), values[source.label], group)
