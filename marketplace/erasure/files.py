"""Remove the files that erasures left, and write the record of erasures. Both may be repeated freely."""

import logging
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from django.core.files.storage import default_storage

from marketplace.delivery.services import empty_file
from marketplace.erasure.errors import RecordMalformed
from marketplace.erasure.marks import read_record, record_text
from marketplace.erasure.models import Erasure, LeftFile

logger = logging.getLogger(__name__)


def remove_left_files() -> int:
    """Delete what waits to be deleted, and return how many files and folders are gone. What fails waits on."""
    count = 0
    for left in LeftFile.objects.order_by("pk").iterator():
        try:
            _remove(left.path)
        except OSError as error:
            logger.warning("erasure.file_left", extra={"reason": type(error).__name__})
            continue
        left.delete()
        count += 1
    return count


def _remove(path: str) -> None:
    if not path.endswith("/"):
        # Whoever is sending it stops.
        empty_file(path)
        default_storage.delete(path)
        return
    folder = path.rstrip("/")
    try:
        # An object store knows no folders, and finds nothing in one that is not there.
        folders, files = default_storage.listdir(folder)
    except FileNotFoundError:
        return
    for name in files:
        default_storage.delete(f"{folder}/{name}")
    for name in folders:
        _remove(f"{folder}/{name}/")
    default_storage.delete(folder)


def erasures() -> dict[bytes, date]:
    return {bytes(mark): day for mark, day in Erasure.objects.values_list("account_mark", "erased_on")}


def write_record(path: Path, erased_on: Mapping[bytes, date]) -> None:
    """Replace the file at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(record_text(erased_on))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def keep_record(path: Path) -> None:
    """Add what the database knows to the file. What only the file knows stays: the database may be a restored one."""
    known = erasures()
    try:
        written = read_record(path.read_text()) if path.exists() else {}
    except (RecordMalformed, ValueError):
        logger.exception("erasure.record_unreadable")
        return
    if written.keys() - known.keys():
        logger.error("erasure.replay_needed", extra={"count": len(written.keys() - known.keys())})
    if known.keys() - written.keys() or not path.exists():
        write_record(path, written | known)
