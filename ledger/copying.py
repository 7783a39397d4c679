"""Entries in the binary form of PostgreSQL's COPY, which stores many rows with the least work on both sides. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct, pack

COLUMNS = ("index", "entry_id", "kind", "key", "at", "refs", "body", "leaf_hash", "committed_at")
# (entry_id as text, kind, key, at, refs, body, leaf_hash)
EntryRow = tuple[str, str, bytes, datetime, Sequence[str], bytes, bytes]

_HEAD = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0)
_TAIL = pack(">h", -1)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TEXT = 25
# Each field is its length and its bytes. These are index and entry_id; key, at and the length of refs; and the rest.
_FIRST = Struct(">hiqi16si")
_MIDDLE = Struct(">i16siqi")
_LAST = Struct(">i32siq")
_LENGTH = Struct(">i")
_ARRAY = Struct(">iiIii")
# The server stores a piece while the next is made, and waits for the first alone: pieces begin small and double. From a
# thousand rows on the server would not take all of one before it has stored a part, and whoever gives them would wait.
ROWS_IN_FIRST, ROWS_IN_PIECE = 40, 640
_EMPTY_ARRAY = pack(">iiI", 0, 0, _TEXT)


def pieces_of(count: int) -> Iterator[slice]:
    """Say which rows go into one COPY after another."""
    start, size = 0, ROWS_IN_FIRST
    while start < count:
        yield slice(start, min(start + size, count))
        start, size = start + size, min(2 * size, ROWS_IN_PIECE)


def copy_piece(rows: Iterable[EntryRow], *, first_index: int, committed_at: datetime) -> bytes:
    """Return the content of one COPY, with the columns in the order of COLUMNS.

    rows: in log order from first_index on.
    """
    committed = _instant(committed_at)
    parts = [_HEAD]
    for index, (entry_id, kind, key, at, refs, body, leaf) in enumerate(rows, first_index):
        kind_bytes, array = kind.encode(), _text_array(refs)
        parts += (
            _FIRST.pack(len(COLUMNS), 8, index, 16, bytes.fromhex(entry_id.replace("-", "")), len(kind_bytes)),
            kind_bytes,
            _MIDDLE.pack(16, key, 8, _instant(at), len(array)),
            array,
            _LENGTH.pack(len(body)),
            body,
            _LAST.pack(32, leaf, 8, committed),
        )
    parts.append(_TAIL)
    return b"".join(parts)


def _instant(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _text_array(texts: Sequence[str]) -> bytes:
    if not texts:
        return _EMPTY_ARRAY
    length = _LENGTH.pack
    items = [length(len(item)) + item for item in map(str.encode, texts)]
    return _ARRAY.pack(1, 0, _TEXT, len(texts), 1) + b"".join(items)
