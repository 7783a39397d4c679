"""Files in an object store that speaks S3, in place of a folder. Read in ranges: whoever wants a part gets no more."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import File
from storages.backends.s3 import S3Storage

# What is fetched at a time, and so held of a file for each reader.
RANGE_BYTES = 2 * 1024 * 1024
# Stores other than Amazon's do not all know the newer checksums.
_CLIENT = Config(
    s3={"addressing_style": "path"},
    signature_version="s3v4",
    connect_timeout=5,
    read_timeout=30,
    retries={"max_attempts": 3, "mode": "standard"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class ObjectStorage(S3Storage):
    """Raises OSError, as a folder would, and FileNotFoundError for what is not there."""

    def get_default_settings(self) -> dict[str, Any]:
        return {**super().get_default_settings(), "client_config": _CLIENT}

    def fetch(self, name: str, start: int, length: int | None) -> bytes:
        """Return so many bytes from start, fewer at the end of the file; all of them when length is None."""
        last = "" if length is None else str(start + length - 1)
        with _as_os_errors(name):
            try:
                found = self.bucket.Object(self._normalize_name(name)).get(Range=f"bytes={start}-{last}")
            except ClientError as error:
                if _status(error) == 416:
                    return b""
                raise
            return bytes(found["Body"].read())

    def _open(self, name: str, mode: str = "rb") -> File:
        if mode != "rb":
            raise ValueError("A stored file never changes.")
        return File(io.BufferedReader(_RangedFile(self, name), RANGE_BYTES), name)

    def _save(self, name: str, content: File) -> str:
        with _as_os_errors(name):
            return str(super()._save(name, content))

    def delete(self, name: str) -> None:
        with _as_os_errors(name):
            super().delete(name)

    def listdir(self, name: str) -> tuple[list[str], list[str]]:
        with _as_os_errors(name):
            folders, files = super().listdir(name)
            return list(folders), list(files)


class _RangedFile(io.RawIOBase):
    def __init__(self, storage: ObjectStorage, name: str) -> None:
        self.storage, self.path, self.place = storage, name, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """The end is not known before it is read."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("seek from the end")
        self.place = offset + (self.place if whence == io.SEEK_CUR else 0)
        return self.place

    def tell(self) -> int:
        return self.place

    def readinto(self, buffer: Any) -> int:
        content = self.storage.fetch(self.path, self.place, len(buffer))
        buffer[: len(content)] = content
        self.place += len(content)
        return len(content)

    def readall(self) -> bytes:
        content = self.storage.fetch(self.path, self.place, None)
        self.place += len(content)
        return content


@contextmanager
def _as_os_errors(name: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if _status(error) == 404:
            raise FileNotFoundError(name) from error
        raise OSError(f"The object store answers {_status(error)}.") from error
    except BotoCoreError as error:
        raise OSError(f"The object store does not answer: {type(error).__name__}.") from error


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
