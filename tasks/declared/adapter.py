"""The adapter of a declared domain: `of_file` makes a class of a YAML file, as others are written by hand."""

import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metanas.base.errors import DataError
from metanas.data.adapter import NOT_STATED, Clip, Examples, Remote
from metanas.data.episode import Split
from metanas.data.files import FromFiles, downloads
from tasks.declared import rows as reading
from tasks.declared.class_splits import class_split
from tasks.declared.rows import Row
from tasks.declared.spec import LIBRARIES, PREPROCESSING, DomainFile, read
from tasks.files import check_whole, digest

PACKAGES = {"text": (), "image": ("pillow",), "speech": ("torchaudio",), "series": ()}  # that decide the data


class DeclaredDomain(FromFiles):
    """A domain that a YAML file declares; `of_file` makes the subclass of one.

    file: the YAML. sources: the data set or files that it names. settings: all that it says, which decides
    the data with the files (`identity.py`).
    """

    file: ClassVar[Path]
    sources: ClassVar[tuple[str, ...]]
    spec: ClassVar[DomainFile]
    settings: ClassVar[str]

    def locate(self, root: Path | None) -> Sequence[Path]:
        """The files; none for what a library downloads. DataError says what is missing."""
        source, bases = self.spec.source, self._bases(root)
        paths = (self._folder(),) if source.kind in LIBRARIES else source.names
        found = [next((base / path for base in bases if (base / path).exists()), None) for path in paths]
        if None not in found:
            return [path for path in found if path is not None]
        if self.remotes:
            return super().locate(root)
        missing = f"{self.name}: {bases[0] / paths[found.index(None)]} is missing"
        if source.kind not in (*LIBRARIES, "hf"):
            raise DataError(f"{missing}; paths are below --data-root or the YAML file's folder")
        if root is not None:
            raise DataError(f"{missing} from the data folder; without --data-root {source.kind} downloads it")
        if source.kind == "hf" and source.revision is None:
            raise DataError(
                f"{missing}; a data set of the hub needs `revision:`, a commit, since others move"
            )
        return ()

    def _bases(self, root: Path | None) -> list[Path]:
        """The folders that paths may be below."""
        fetched = downloads() if self.remotes and root is None else None
        return [base for base in (root, self.file.parent, fetched) if base is not None]

    def _folder(self) -> str:
        """What torchvision or torchaudio reads below the folder that it is given."""
        source = self.spec.source
        usual = (
            reading.AUDIO_SETS[source.names[0]][0]
            if source.names[0] in reading.AUDIO_SETS
            else source.names[0]
        )
        return source.path or usual

    def load(self, root: Path | None) -> Examples:
        found = list(self._rows(root))
        if not found:
            raise DataError(f"{self.name}: no examples in {', '.join(self.spec.source.names)}")
        splits = class_split(self.name, self.spec, found)
        items = self.spec.items or len(found)
        if self.spec.modality == "text":
            return self._texts(found, splits, items)
        classes = [name for names in splits.values() for name in names]
        number = {name: i for i, name in enumerate(classes)}
        used = [row for row in found if row.label in number]
        read = {"image": self._images, "speech": self._speech, "series": self._series}
        x, source = read[self.spec.modality](used)
        return Examples(
            x=x,
            labels=np.array([number[row.label] for row in used], np.int64),
            classes=tuple(classes),
            splits=splits,
            source=source,
            groups=_groups(used),
            sample=len(found) != items,
            extra={"clip": [row.place for row in used]} if self.spec.modality == "speech" else {},
        )

    def clips(self, root: Path | None, names: Sequence[str]) -> Iterator[tuple[str, Clip]]:
        wanted = set(names)
        for row in self._rows(root):
            if row.place in wanted:
                yield row.place, clip(row)

    def _rows(self, root: Path | None) -> Iterator[Row]:
        files = self.locate(root)
        return reading.rows(self.name, self.spec, files, self._folder())

    def _texts(self, rows: list[Row], splits: dict[Split, tuple[str, ...]], items: int) -> Examples:
        from tasks.modality.text import text_examples

        texts, names = [row.value for row in rows], [row.label for row in rows]
        examples = text_examples(
            texts, names, splits, items=items, width=self.spec.width, words=self.spec.words
        )
        used = {name for split in splits.values() for name in split}
        return replace(examples, groups=_groups([row for row in rows if row.label in used]))

    def _images(self, rows: list[Row]) -> tuple[NDArray[Any], str]:
        from tasks.modality.image import decode, pixels

        mode, size, parts, x = "L" if self.spec.channels == 1 else "RGB", self.spec.size, [], []
        for row in rows:
            if isinstance(row.value, bytes):
                x.append(decode(row.place, row.value, mode, size, resize=True))
                parts.append(row.value)
            else:  # opened by torchvision
                x.append(pixels(row.place, row.value, mode, size, resize=True))
                parts.append(row.value.tobytes())
        return np.stack(x), digest(
            part for row, content in zip(rows, parts, strict=True) for part in _named(row, content)
        )

    def _series(self, rows: list[Row]) -> tuple[NDArray[Any], str]:
        channels = len(rows[0].value)
        x = np.full((len(rows), channels, self.spec.steps), np.nan, np.float32)
        for row, into in zip(rows, x, strict=True):
            if len(row.value) != channels:
                raise DataError(f"{row.place}: {len(row.value)} channels; the first series has {channels}")
            part = row.value[:, : self.spec.steps]
            into[:, : part.shape[1]] = part
        return x, digest(part for row in rows for part in _named(row, row.value.tobytes()))

    def _speech(self, rows: list[Row]) -> tuple[NDArray[Any], str]:
        from tasks.modality.speech import BANDS, log_mels

        clips = [clip(row) for row in rows]
        x = np.empty((len(rows), BANDS, self.spec.frames), np.float16)
        for rate in sorted({rate for _, rate in clips}):
            mine = [i for i, (_, other) in enumerate(clips) if other == rate]
            x[mine] = log_mels((clips[i][0] for i in mine), rate, self.spec.frames)
        parts = (sound.tobytes() for sound, _ in clips)
        return x, digest(
            part for row, content in zip(rows, parts, strict=True) for part in _named(row, content)
        )


def of_file(name: str, path: Path) -> type[DeclaredDomain]:
    """The adapter of a YAML file. InvalidValue says what is wrong in it."""
    spec = read(path)
    licence, citation = _stated(spec, path)
    summary = spec.summary or f"{spec.modality} of {', '.join(spec.source.names)}"
    used = {key: getattr(spec, key) for key in PREPROCESSING[spec.modality]}
    fields = {
        "__doc__": summary,
        "name": name,
        "file": path,
        "sources": spec.source.names,
        "spec": spec,
        "settings": json.dumps(spec.model_dump(mode="json"), sort_keys=True),
        "modality": spec.modality,
        "licence": spec.licence or licence,
        "citation": spec.citation or citation,
        "packages": PACKAGES[spec.modality],
        "recipe": spec.recipe or "v1 " + " ".join(f"{key}={value}" for key, value in used.items()),
        "remotes": tuple(Remote(path, one.url, one.digest) for path, one in spec.downloads.items()),
    }
    return type("DeclaredDomain", (DeclaredDomain,), fields)


def _stated(spec: DomainFile, path: Path) -> tuple[str, str]:
    """Licence and citation as the card of a local copy states them (README.md), or where they stand."""
    source = spec.source
    card = path.parent / source.names[0] / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else ""
    licence = re.search(r"^license:\s*(?:\n\s*-\s*)?(\S.*)$", text.partition("\n---")[0], re.MULTILINE)
    citation = re.search(r"```bibtex\s*\n(.*?)```|(@\w+\{.*?\n\})", text, re.DOTALL)
    where = f"see huggingface.co/datasets/{source.hf}" if source.hf and source.revision else NOT_STATED
    cited = " ".join((citation[1] or citation[2]).split()) if citation else where
    return (licence[1].strip("\"' ") if licence else where), cited


def clip(row: Row) -> Clip:
    """Samples, one channel, and rate of a sound file in any format that libsndfile reads. DataError."""
    import soundfile

    from tasks.modality.speech import RATE, WINDOW

    try:
        with soundfile.SoundFile(io.BytesIO(row.value)) as file:
            sound, rate = file.read(dtype="int16", always_2d=True), file.samplerate
            file.seek(0)
            levels = file.read(always_2d=True) if file.subtype in ("FLOAT", "DOUBLE") else sound
    except soundfile.LibsndfileError as error:
        raise DataError(f"{row.place}: not a sound file: {error.error_string}") from error
    check_whole(row.place, row.value)
    if len(lost := np.argwhere(~np.isfinite(levels).all(axis=1))):
        raise DataError(f"{row.place}: sample {int(lost[0, 0])} is not a finite number")
    if len(sound) * RATE <= WINDOW // 2 * rate:
        least = WINDOW // 2 * rate // RATE
        raise DataError(
            f"{row.place}: {len(sound)} samples at {rate} Hz; a spectrogram needs more than {least}"
        )
    return sound.astype(np.int32).mean(axis=1).astype(np.int16), int(rate)


def _groups(rows: Sequence[Row]) -> NDArray[np.int64] | None:
    """The number of each row's group among their sorted names."""
    names = [row.group for row in rows if row.group is not None]
    if len(names) != len(rows) or not names:
        return None
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def _named(row: Row, content: bytes) -> tuple[bytes, bytes]:
    return row.label.encode(), content
