"""What is said of a file of computed rows: what it was made of, by what, and which rows came out. Pure.

The statement's hash stands in the log. Its rows are the leaves of a Merkle tree (RFC 9162), in the order of time and
device, so a part of them can be proven without showing the others: the hashes of the subtrees beside it are enough.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from devices.evidence import EvidenceColumn, EvidenceMalformed
from ledger.merkle import leaf_hash, node_hash, root_hash

FORMAT, VERSION = "ownstream derivation", 1
LONGEST_STATEMENT = 2000
_TEXTS = ("listing", "program", "resolution", "columns", "first_day", "end_day", "input_root", "sha256", "row_root")
_COUNTS = ("input_count", "row_count")


@dataclass(frozen=True, slots=True)
class Statement:
    """All hashes are SHA-256 in hexadecimal digits.

    program: what computed the rows, with its version; columns: see columns_hash. input_count, input_root: of the
    envelopes whose readings went in, each leaf the envelope's content hash, by device and number. sha256: of the file;
    row_count, row_root: of its rows.
    """

    listing: str
    program: str
    resolution: str
    columns: str
    first_day: str
    end_day: str
    input_count: int
    input_root: str
    sha256: str
    row_count: int
    row_root: str

    def text(self) -> str:
        content = {"format": FORMAT, "version": VERSION, **asdict(self)}
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    @classmethod
    def parse(cls, text: str) -> "Statement":
        """Raises EvidenceMalformed."""
        if len(text) > LONGEST_STATEMENT:
            raise EvidenceMalformed("A statement is too long.")
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise EvidenceMalformed("A statement is not JSON.") from error
        if not isinstance(content, dict) or (content.get("format"), content.get("version")) != (FORMAT, VERSION):
            raise EvidenceMalformed("This is no statement of a form that is known here.")
        texts, counts = [content.get(name) for name in _TEXTS], [content.get(name) for name in _COUNTS]
        if not all(isinstance(value, str) for value in texts) or not all(
            type(value) is int and 0 <= value < 2**53 for value in counts
        ):
            raise EvidenceMalformed("A statement lacks one of its fields.")
        return cls(**{name: content[name] for name in (*_TEXTS, *_COUNTS)})


def statement_hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def columns_hash(columns: Sequence[EvidenceColumn]) -> str:
    named = [[column.name, column.field] for column in columns]
    return hashlib.sha256(json.dumps(named, separators=(",", ":")).encode()).hexdigest()


def row_leaf(time: int, device: str, values: Sequence[float | None]) -> bytes:
    """time: microseconds since 1970; values: in the order of the columns, every bit of them."""
    cells = ["" if value is None else value.hex() for value in values]
    return leaf_hash(",".join([str(time), device, *cells]).encode(errors="surrogatepass"))


def hashes_beside(leaves: Sequence[bytes], low: int, high: int) -> list[bytes]:
    """Return the hashes of the subtrees that hold no leaf of low <= index < high, from left to right."""
    return [root_hash(leaves[start:end]) for start, end in _subtrees(0, len(leaves), low, high)]


def root_of_part(size: int, low: int, part: Sequence[bytes], beside: Sequence[bytes]) -> bytes:
    """Join a part of a tree's leaves and the hashes beside it to the root. Raises EvidenceMalformed."""
    high = low + len(part)
    if not 0 <= low <= high <= size or len(beside) != len(_subtrees(0, size, low, high)):
        raise EvidenceMalformed("The hashes of the rows do not fit the number of rows.")
    rest = iter(beside)

    def join(start: int, end: int) -> bytes:
        if end <= low or high <= start:
            return next(rest)
        if low <= start and end <= high:
            return root_hash(part[start - low : end - low])
        middle = start + _split(end - start)
        left = join(start, middle)
        return node_hash(left, join(middle, end))

    return join(0, size) if size else root_hash([])


def _subtrees(start: int, end: int, low: int, high: int) -> list[tuple[int, int]]:
    if end <= low or high <= start:
        return [(start, end)] if start < end else []
    if low <= start and end <= high:
        return []
    middle = start + _split(end - start)
    return [*_subtrees(start, middle, low, high), *_subtrees(middle, end, low, high)]


def _split(size: int) -> int:
    """The largest power of two strictly below size."""
    return 1 << ((size - 1).bit_length() - 1)
