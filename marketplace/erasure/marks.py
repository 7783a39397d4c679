"""The mark of an erased account, and the file that such marks are kept in beside the backups. Pure.

    ownstream erasures 1
    <64 hexadecimal digits> <day>      one a line, sorted

A mark is the SHA-256 of the account's public id, 122 random bits: who holds only the file learns nothing from it, who
holds a backup can tell which of its accounts have to be erased again.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import date
from uuid import UUID

from marketplace.erasure.errors import RecordMalformed

HEADER = "ownstream erasures 1"
_LINE = re.compile(r"([0-9a-f]{64}) (\d{4}-\d\d-\d\d)")


def account_mark(public_id: UUID) -> bytes:
    return hashlib.sha256(b"ownstream erased account\0" + public_id.bytes).digest()


def record_text(erased_on: Mapping[bytes, date]) -> str:
    lines = sorted(f"{mark.hex()} {day.isoformat()}" for mark, day in erased_on.items())
    return "\n".join([HEADER, *lines]) + "\n"


def read_record(text: str) -> dict[bytes, date]:
    """Return the day of each mark. Raises RecordMalformed."""
    header, *lines = text.split("\n")
    # A file that was cut off must not pass for a whole one.
    if header != HEADER or not lines or lines.pop():
        raise RecordMalformed
    erased_on = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise RecordMalformed
        try:
            erased_on[bytes.fromhex(match[1])] = date.fromisoformat(match[2])
        except ValueError as error:
            raise RecordMalformed from error
    return erased_on
