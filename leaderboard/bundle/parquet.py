"""Checks of an untrusted Parquet file: schema, rows and sizes before a column is decoded, then nulls."""

import pyarrow as pa
import pyarrow.parquet as pq

from leaderboard.bundle.names import MIB
from leaderboard.bundle.problem import refuse

FOOTER_MOST, GROUPS_MOST, INFLATED_MOST = MIB, 1000, 256 * MIB  # bytes, row groups, bytes
ROWS_MOST = 2_000_000


def check(file: str, content: bytes, schema: pa.Schema, rows: int | None) -> None:
    """BundleError unless `content` has exactly this schema and number of rows, no nulls and a sane size.

    file: its name, for messages. rows: None if any number from 1 to ROWS_MOST will do.
    """
    if len(content) < 12 or content[:4] != b"PAR1" or content[-4:] != b"PAR1":
        raise refuse(file, "not a Parquet file", hint="`metanas run` writes it")
    footer = int.from_bytes(content[-8:-4], "little")
    if footer > min(FOOTER_MOST, len(content) - 12):
        raise refuse(file, f"its footer claims {footer} bytes")
    try:
        parquet = pq.ParquetFile(pa.BufferReader(content))
        metadata = parquet.metadata
        if not parquet.schema_arrow.equals(schema):
            columns = ", ".join(f"{f.name}: {f.type}" for f in list(parquet.schema_arrow)[:20])
            wanted = ", ".join(f"{f.name}: {f.type}" for f in schema)
            raise refuse(file, f"columns are {columns[:600]}", hint=f"expected {wanted}")
        if rows is None and not 0 < metadata.num_rows <= ROWS_MOST:
            raise refuse(file, f"{metadata.num_rows} rows, it may have 1 to {ROWS_MOST}")
        if rows is not None and metadata.num_rows != rows:
            raise refuse(file, f"{metadata.num_rows} rows, the tasks of submission.json ask for {rows}")
        if metadata.num_row_groups > GROUPS_MOST:
            raise refuse(file, f"{metadata.num_row_groups} row groups, at most {GROUPS_MOST}")
        sizes = [metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)]
        if min(sizes, default=0) < 0 or sum(sizes) > INFLATED_MOST:
            raise refuse(file, f"inflates to {sum(sizes)} bytes, at most {INFLATED_MOST} are read")
        for column in parquet.read(use_threads=False).columns:
            _no_nulls(file, column)
    except (pa.ArrowException, OSError, OverflowError, UnicodeError, MemoryError) as error:
        raise refuse(file, f"a damaged Parquet file: {str(error)[:300]}") from error


def _no_nulls(file: str, column: pa.ChunkedArray) -> None:
    for chunk in column.chunks:
        inner = chunk.flatten() if pa.types.is_list(chunk.type) else None
        if chunk.null_count or (inner is not None and inner.null_count):
            raise refuse(file, "a value is missing (null)", hint="every answer has all columns")
