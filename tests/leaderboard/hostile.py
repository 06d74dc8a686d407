"""Bundles that nobody sends in good faith, each with the words its sender should read."""

import io
import json
import stat
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.bundle.names import ENTRY, Members
from leaderboard.bundle.pack import to_zip
from metanas.evaluation.controls import CONTROLS
from metanas.evaluation.regret import CANDIDATES
from metanas.evaluation.result import PREDICTIONS, SCHEMA, SUBMISSION, parse_table
from tests.leaderboard import bundles
from tests.leaderboard.bundles import resealed, sealed_entry


class Case(NamedTuple):
    """A zip, and a part of the message. accepted: found only when it is scored, after it was taken in."""

    name: str
    content: bytes
    says: str
    accepted: bool = False


@cache
def cases() -> tuple[Case, ...]:
    """All of them, made from `bundles.good()`."""
    good = bundles.good()
    made = (*_archives(good), *_json(good), *_entries(good), *_documents(good), *_tables(good))
    made += (*_controls(good), *_candidates(good))
    assert len({case.name for case in made}) == len(made) >= 60
    return made


def archive(
    members: Mapping[str, bytes] | list[tuple[Any, bytes]], method: int = zipfile.ZIP_DEFLATED
) -> bytes:
    """A zip of these members, however odd their names."""
    sink = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names
        with zipfile.ZipFile(sink, "w", method) as file:
            for name, content in members.items() if isinstance(members, Mapping) else members:
                file.writestr(name, content)
    return sink.getvalue()


def _archives(good: Members) -> Iterator[Case]:
    plain, packed = list(good.items()), to_zip(good)

    def extra(name: str, content: bytes = b"x") -> bytes:
        return archive([*plain, (name, content)])

    def odd(name: str, kind: int) -> bytes:
        info = zipfile.ZipInfo(name)
        info.external_attr = (kind | 0o777) << 16
        return archive([*[(n, c) for n, c in plain if n != name], (info, b"/etc/passwd")])

    stranger = "does not belong in a bundle"
    for name, path in {
        "slip": "../../../tmp/evil",
        "slip-in-name": "../submission.json",
        "absolute": "/etc/cron.d/evil",
        "drive": "C:\\evil.json",
        "backslash": "..\\..\\evil",
        "nested-folder": "bundle/submission.json",
        "nul-in-name": "submission.json\0.exe",
        "case": "SUBMISSION.JSON",
        "unicode-twin": "submissi\u043en.json",
        "trailing-space": "submission.json ",
        "dot": "./submission.json",
        "pickle": "weights.pkl",
        "torch": "model.pt",
        "npz": "predictions.npz",
        "yaml": "config.yaml",
        "notebook": "run.ipynb",
        "html": "index.html",
        "inner-zip": "more.zip",
        "git": ".git/config",
    }.items():
        says = "stands in the bundle twice" if name == "nul-in-name" else stranger
        yield Case(name, extra(path), says)
    yield Case("twice", extra(SUBMISSION, good[SUBMISSION]), "stands in the bundle twice")
    yield Case("thousand-members", archive([*plain, *((f"f{i}", b"") for i in range(1000))]), stranger)
    yield Case("folder", archive([*plain, ("architecture/", b"")]), stranger)
    yield Case("symlink", odd("README.md", stat.S_IFLNK), "not a plain file")
    yield Case("device", odd("README.md", stat.S_IFCHR), "not a plain file")
    yield Case("fifo", odd("README.md", stat.S_IFIFO), "not a plain file")
    yield Case("bzip2", archive(good, zipfile.ZIP_BZIP2), "packed by method 12")
    yield Case("lzma", archive(good, zipfile.ZIP_LZMA), "packed by method 14")
    yield Case("bomb", archive({**good, "README.md": b"a" * 60_000}), "inflates more than 200 times")
    yield Case("large-bomb", archive({**good, PREDICTIONS: b"\0" * (65 << 20)}), "larger than the")
    yield Case("lying-size", _patched(archive({**good, "README.md": b"a" * 10**4})), "a damaged zip file")
    yield Case("encrypted", _flagged(packed), "encrypted")
    yield Case("overlap", _overlapping(good), "overlaps another file")
    yield Case("empty", b"", "not a zip file")
    yield Case("text", b"hello", "not a zip file")
    yield Case("tar", b"submission.json" + b"\0" * 600 + b"ustar", "not a zip file")
    yield Case("gzip", b"\x1f\x8b\x08" + b"\0" * 100, "not a zip file")
    yield Case("empty-zip", b"PK\x05\x06" + b"\0" * 18, "not a zip file")
    yield Case("truncated", packed[:-30], "a damaged zip file")
    yield Case("half", packed[: len(packed) // 2], "a damaged zip file")
    yield Case("bad-crc", _flipped(packed, good[PREDICTIONS]), "a damaged zip file")
    yield Case("prefix", b"#!/bin/sh\n" + packed, "not a zip file")
    for name in (SUBMISSION, PREDICTIONS, ENTRY):
        rest = {key: content for key, content in good.items() if key != name}
        yield Case(f"without-{name}", archive(rest), f"{name}: missing")


def _json(good: Members) -> Iterator[Case]:
    document = good[SUBMISSION].decode()

    def of(name: str, text: bytes, says: str, file: str = ENTRY) -> Case:
        return Case(name, archive({**good, file: text}, zipfile.ZIP_STORED), says)

    yield of("deep-json", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "larger than", ENTRY)
    yield of("deep-json-short", b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}", "levels deep")
    yield of("deep-objects", b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "levels deep")
    yield of("deep-unclosed", b"[" * 50_000, "levels deep")
    yield of("json-list", b"[1]", "expected an object, got list")
    yield of("json-null", b"null", "expected an object, got NoneType")
    yield of("json-broken", b'{"a": ', "not JSON: line 1")
    yield of("json-nan", b'{"claims": {"x": NaN}}', "NaN is not a number in JSON")
    yield of("json-infinity", b'{"claims": {"x": -Infinity}}', "Infinity is not a number in JSON")
    yield of("json-overflow", b'{"claims": {"x": 1e999}}', "is too large")
    yield of("json-bigint", b'{"hparam_trials": ' + b"9" * 50_000 + b"}", "more than 19 digits")
    yield of("json-twice", b'{"family": "nas", "family": "baseline"}', "stands twice in one object")
    yield of("json-utf16", '{"a": 1}'.encode("utf-16"), "not UTF-8")
    yield of("json-surrogate", b'{"summary": "\\ud800"}', "half of a surrogate pair")
    yield of("json-nul", b'{"summary": "\\u0000"}', "has a NUL")
    yield of("json-bytes", b"\xff\xfe\xfd", "not UTF-8")
    twice = document.replace("{", '{"method": "other",', 1)
    yield of("submission-twice", twice.encode(), "stands twice in one object", SUBMISSION)
    nan = document.replace('"parameters": 10', '"parameters": NaN')
    yield of("submission-nan", nan.encode(), "NaN is not", SUBMISSION)


def _entries(good: Members) -> Iterator[Case]:
    def of(name: str, says: str, **fields: Any) -> Case:
        return Case(name, archive({**good, ENTRY: sealed_entry(good, **fields)}), says)

    yield of("entry-extra", "surprise: Extra inputs are not permitted", surprise=1)
    yield of("entry-no-author", "authors: List should have at least 1 item", authors=[])
    yield of("entry-control", "authors.0.name", authors=[{"name": "\x1b[2J\x07"}])
    yield of("entry-script-url", "paper_url", paper_url="javascript:alert(1)")
    yield of("entry-file-url", "paper_url", paper_url="file:///etc/passwd")
    yield of("entry-quote-url", "paper_url", paper_url='http://x/"onload="alert(1)')
    yield of("entry-family", "family: Input should be", family="best")
    yield of("entry-type", "hparam_trials", hparam_trials="many")
    yield of("entry-bool", "hparam_trials", hparam_trials=True)
    yield of("entry-long", "summary", summary="a" * 5000)
    yield of("entry-many", "authors", authors=[{"name": "a"}] * 500)
    yield of("entry-version", "schema_version", schema_version=99)
    yield of(
        "entry-commit", "code.commit", code={"url": "https://x.org", "commit": "; rm -rf /", "licence": "MIT"}
    )
    wrong = {name: {"sha256": "0" * 64, "bytes": 1} for name in good if name != ENTRY}
    yield of("entry-wrong-hashes", "it was changed after packing; pack again", files=wrong)
    yield of("entry-no-hashes", "is in the bundle but not listed", files={})
    ghost = json.loads(sealed_entry(good))["files"] | {"ghost": {"sha256": "0" * 64, "bytes": 1}}
    yield of("entry-ghost", "'ghost' is listed but not in the bundle", files=ghost)


def _documents(good: Members) -> Iterator[Case]:
    document = json.loads(good[SUBMISSION])

    def of(name: str, says: str, **fields: Any) -> Case:
        text = json.dumps({**document, **fields}).encode()
        return Case(name, archive(resealed(good, submission_json=text)), says)

    task = document["tasks"][0]

    def tasks(**fields: Any) -> list[Any]:
        return [{**task, **fields}, *document["tasks"][1:]]

    yield of("document-extra", "surprise: Extra inputs", surprise=1)
    yield of("document-version", "schema_version", schema_version=99)
    yield of("method-path", "method: got '../../etc'", method="../../etc")
    yield of("method-html", "method: got", method="<script>alert(1)</script>")
    yield of("method-empty", "method", method="")
    yield of("suite-path", "no suite named '../../mini-v1'", suite="../../mini-v1")
    yield of("suite-version", "suite_version", suite_version="0.0")
    yield of("budget-other", "budget: ", budget={**document["budget"], "iterations": 10**6})
    yield of("budget-name", "budget.name: got 'huge'", budget={**document["budget"], "name": "huge"})
    yield of("one-seed", "seeds: got [0]", seeds=[0])
    yield of("same-seeds", "seeds: got [0, 0, 0]", seeds=[0, 0, 0])
    yield of("many-seeds", "too many", seeds=list(range(5000)))
    yield of("task-twice", "stands there twice", tasks=[task, *document["tasks"]])
    yield of("task-unknown", "is not in mini-v1", tasks=tasks(domain="imagenet"))
    yield of("task-shape", "has no episodes", tasks=tasks(queries=1))
    yield of("task-data", "other data than the suite's", tasks=tasks(fingerprint="0" * 64))
    yield of("task-episodes", "episodes", tasks=tasks(episodes=99_999))
    yield of("task-ways", "tasks.0.ways", tasks=tasks(ways=10**9))
    yield of("task-overflow", "answers", tasks=tasks(queries=10**15))
    yield of("predictions-hash", "is not the SHA-256 of predictions.parquet", predictions_sha256="0" * 64)


def _tables(good: Members) -> Iterator[Case]:
    table = parse_table(PREDICTIONS, good[PREDICTIONS], SCHEMA)

    def raw(name: str, content: bytes, says: str) -> Case:
        return Case(name, archive(resealed(good, predictions_parquet=content)), says, accepted=True)

    def of(name: str, rows: pa.Table, says: str) -> Case:
        sink = io.BytesIO()
        pq.write_table(rows, sink, compression="zstd")
        return raw(name, sink.getvalue(), says)

    def column(name: str, values: Any) -> pa.Table:
        at = table.schema.get_field_index(name)
        return table.set_column(at, table.schema.field(name), values)

    def first(name: str, value: Any) -> pa.Table:
        array = table.column(name).to_pylist()
        return column(name, pa.array([value, *array[1:]], table.schema.field(name).type))

    content = good[PREDICTIONS]
    yield raw("parquet-text", b"hello", "not a Parquet file")
    yield raw("parquet-magic", b"PAR1PAR1", "not a Parquet file")
    yield raw("parquet-footer-huge", content[:-8] + b"\xff\xff\xff\x7f" + b"PAR1", "its footer claims")
    yield raw("parquet-footer-zero", content[:-8] + b"\0\0\0\0" + b"PAR1", "Parquet file")
    yield raw("parquet-footer-noise", b"PAR1" + b"\x99" * 4000 + struct.pack("<I", 3000) + b"PAR1", "damaged")
    yield raw("parquet-pages-noise", content[:4] + b"\xaa" * 20_000 + content[20_004:], "Parquet")
    yield raw("parquet-pickle", b"\x80\x04cos\nsystem\n(S'true'\ntR.", "not a Parquet file")
    yield of("rows-missing", table.slice(1), "rows, the tasks of submission.json ask for")
    yield of("rows-more", pa.concat_tables([table, table.slice(0, 1)]), "rows, the tasks of")
    yield of("rows-none", table.slice(0, 0), "0 rows")
    again = pa.concat_tables([table.slice(1), table.slice(5, 1)])
    yield of("rows-twice", again, "missing or repeated")
    yield of("columns-less", table.drop_columns(["query"]), "columns are")
    yield of("columns-more", table.append_column("label", table.column("query")), "columns are")
    yield of(
        "columns-type", table.set_column(1, "seed", table.column("seed").cast(pa.int64())), "columns are"
    )
    yield of("prediction-range", first("prediction", 77), "prediction outside")
    yield of("prediction-null", first("prediction", None), "a value is missing (null)")
    yield of("episode-negative", first("episode", -1), "was not asked for")
    yield of("seed-unknown", first("seed", 999), "was not asked for")
    for name, value in (("nan", np.nan), ("inf", np.inf), ("negative", -1.0), ("two", 2.0)):
        row = np.array([value, 0, 0, 0, 0], np.float16)
        says = "sums to" if name == "two" else "negative or not finite"
        yield of(f"probability-{name}", first("probabilities", row), says)
    yield of("probability-short", first("probabilities", np.array([1.0], np.float16)), "expected 5 per query")
    yield of("probability-none", first("probabilities", None), "a value is missing (null)")
    names = table.column("task").to_pylist()
    swapped = pa.array(["<script>", *names[1:]]).dictionary_encode().cast(table.schema.field("task").type)
    yield of("task-name-html", column("task", swapped), "is not in submission.json")
    drawn = resealed({**good, "architecture.json": b'{"tasks": [1]}'})
    yield Case("architecture-list", archive(drawn), "not what metanas writes", accepted=True)


def _controls(good: Members) -> Iterator[Case]:
    table = pq.ParquetFile(io.BytesIO(bundles.controlled(good)[CONTROLS])).read()

    def of(name: str, rows: pa.Table, says: str) -> Case:
        sink = io.BytesIO()
        pq.write_table(rows, sink)
        content = archive(bundles.controlled(good, sink.getvalue()))
        return Case(f"controls-{name}", content, says, accepted=True)

    def first(name: str, value: Any) -> pa.Table:
        at, kind = table.schema.get_field_index(name), table.schema.field(name).type
        values = [value, *table.column(name).to_pylist()[1:]]
        array = (
            pa.array(values).dictionary_encode().cast(kind) if name == "control" else pa.array(values, kind)
        )
        return table.set_column(at, table.schema.field(name), array)

    text = archive(bundles.controlled(good, b"hello"))
    yield Case("controls-text", text, "not a Parquet file", accepted=True)
    yield of("columns", table.drop_columns(["right"]), "columns are")
    wide = table.set_column(4, "right", table.column("right").cast(pa.int64()))
    yield of("type", wide, "columns are")
    yield of("null", first("right", None), "a value is missing (null)")
    yield of("many-right", first("right", 65_535), "65535 right answers of")
    yield of("unknown", first("control", "<script>"), "'<script>' is not one of decoded")
    yield of("episode", first("episode", -1), "expected each of the episodes")
    yield of("seed", first("seed", 999), "expected each of the episodes")
    yield of("twice", pa.concat_tables([table, table.slice(0, 1)]), "expected each of the episodes")
    yield of(
        "version", table.replace_schema_metadata({"controls": '{"schema_version": 9}'}), "expected 1, got 9"
    )
    yield of("no-version", table.replace_schema_metadata({}), "expected 1, got None")
    deep = {"controls": "[" * 100_000}
    yield of("deep-version", table.replace_schema_metadata(deep), "expected 1, got None")


def _candidates(good: Members) -> Iterator[Case]:
    table = pq.ParquetFile(io.BytesIO(bundles.with_candidates(good)[CANDIDATES])).read()

    def of(name: str, rows: pa.Table, says: str) -> Case:
        sink = io.BytesIO()
        pq.write_table(rows, sink)
        content = archive(bundles.with_candidates(good, sink.getvalue()))
        return Case(f"candidates-{name}", content, says, accepted=True)

    def first(name: str, value: Any) -> pa.Table:
        at, kind = table.schema.get_field_index(name), table.schema.field(name).type
        values = pa.array([value, *table.column(name).to_pylist()[1:]])
        array = values.dictionary_encode().cast(kind) if name == "task" else values.cast(kind)
        return table.set_column(at, table.schema.field(name), array)

    text = archive(bundles.with_candidates(good, b"hello"))
    yield Case("candidates-text", text, "not a Parquet file", accepted=True)
    yield of("columns", table.drop_columns(["right"]), "columns are")
    yield of("null", first("right", None), "a value is missing (null)")
    yield of("null-inside", first("right", [1, None, 1]), "a value is missing (null)")
    yield of("many-right", first("right", [65_535, 0, 0]), "65535 right answers of")
    yield of("fewer", first("right", [1]), "1, 3 candidates; all episodes of a task")
    yield of("many", first("right", [0] * 5000), "3, 5000 candidates; all episodes of a task")
    yield of("task", first("task", "<script>"), "'<script>' is not one of")
    yield of("episode", first("episode", -1), "expected each of the episodes")
    yield of("seed", first("seed", 999), "seed 999 was not asked for")
    yield of("twice", pa.concat_tables([table, table.slice(0, 1)]), "expected each of the episodes")
    yield of("no-version", table.replace_schema_metadata({}), "expected 1, got None")


def _patched(packed: bytes) -> bytes:
    """The directory says README.md is small; its data is not."""
    at = packed.rfind(b"README.md") - 46
    size = struct.pack("<I", 100)
    return packed[: at + 24] + size + packed[at + 28 :]


def _flagged(packed: bytes) -> bytes:
    """Every member says that it is encrypted."""
    found = bytearray(packed)
    at = found.find(b"PK\x01\x02")
    while at >= 0:
        found[at + 8] |= 1
        at = found.find(b"PK\x01\x02", at + 4)
    return bytes(found)


def _flipped(packed: bytes, inside: bytes) -> bytes:
    """One byte of a stored member is another."""
    at = packed.index(inside) + len(inside) // 2
    return packed[:at] + bytes([packed[at] ^ 0xFF]) + packed[at + 1 :]


def _overlapping(good: Members) -> bytes:
    """Two members of the directory point at the same data."""
    packed = bytearray(archive({**good, "README.md": b"hello"}))
    at = packed.rfind(b"README.md") - 46
    other = packed.rfind(b"submission.json") - 46
    packed[at + 42 : at + 46] = packed[other + 42 : other + 46]
    return bytes(packed)
