"""Parquet files in the default storage, under names that nobody can guess. A file is never changed once written."""

import hashlib
import io
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

import polars
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from marketplace.delivery.tables.projection import TIME

TABLES, EXPORTS = "tables", "exports"
CHUNK_BYTES = 1024 * 1024
_LEAST_CHUNK_BYTES = 16 * 1024
# A server reads some ten pieces ahead, so half a second of what a reader takes.
_QUICK_SECONDS = 0.05


@dataclass(frozen=True)
class WrittenFile:
    path: str
    row_count: int
    size: int
    sha256: bytes


def parquet_bytes(rows: polars.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_parquet(buffer, compression="zstd", statistics=True)
    return buffer.getvalue()


def write_rows(rows: polars.DataFrame) -> WrittenFile:
    content = parquet_bytes(rows)
    token = secrets.token_hex(16)
    path = default_storage.save(f"{TABLES}/{token[:2]}/{token}.parquet", ContentFile(content))
    return WrittenFile(path, rows.height, len(content), hashlib.sha256(content).digest())


def time_range(rows: polars.DataFrame) -> tuple[datetime, datetime]:
    """Return the first and the last time of rows, which must not be empty and lie in this order."""
    times = rows[TIME]
    return times[0], times[-1]


def read_rows(path: str, columns: list[str] | None = None) -> polars.DataFrame:
    with default_storage.open(path) as file:
        return polars.read_parquet(io.BytesIO(file.read()), columns=columns)


def delete_file(path: str) -> None:
    default_storage.delete(path)


def read_chunks(path: str, start: int, length: int) -> Iterator[bytes]:
    """Yield length bytes from start, in pieces that grow to a mebibyte for as long as they are taken quickly.

    Of a slow reader little is on its way, for what the server took cannot be taken back when access ends.
    """
    most = _LEAST_CHUNK_BYTES
    with default_storage.open(path) as file:
        file.seek(start)
        while length > 0 and (chunk := file.read(min(most, CHUNK_BYTES, length))):
            length -= len(chunk)
            given_at = monotonic()
            yield chunk
            is_quick = monotonic() - given_at < _QUICK_SECONDS
            most = min(most + most // 16, CHUNK_BYTES) if is_quick else max(most // 2, _LEAST_CHUNK_BYTES)
