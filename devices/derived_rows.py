"""Check computed rows against what the market said of them in the log. Pure.

No device signed such rows. What can be shown is that the market committed to exactly these rows, to the program and to
the envelopes that they were made of, and that it cannot say anything else of them later.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from devices.derivation import Statement, columns_hash, root_of_part, row_leaf, statement_hash
from devices.evidence import (
    BrokenLine,
    EvidenceEnd,
    EvidenceHeader,
    EvidenceMalformed,
    Line,
    RowHashes,
    StatedFile,
    read_lines,
)
from devices.tables import TableRow
from ledger.disclosures import read_entry
from ledger.errors import LedgerError
from ledger.policy import LogPolicy
from ledger.receipts import Receipt, verify_receipt

DERIVED = "delivery.derived"
# In the last line, among what was held back: files of the table that have no statement yet.
UNSTATED = "unstated"
_PIECE_BYTES = 1024 * 1024


@dataclass
class Stated:
    """A statement that the log holds. lacking: why its rows cannot be compared."""

    statement: Statement
    entry_index: int
    is_final: bool
    low: int
    beside: list[bytes]
    lacking: str = ""
    leaves: list[bytes] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)


@dataclass
class StatedRows:
    """place_of: where each row of the statements stands: the statement, and its number in it."""

    header: EvidenceHeader
    files: list[Stated] = field(default_factory=list)
    place_of: dict[bytes, tuple[Stated, int]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    unstated_count: int = 0


def read_stated_rows(source: BinaryIO, policy: Callable[[EvidenceHeader], LogPolicy]) -> StatedRows:
    """Raises EvidenceMalformed when the file is no evidence, and what `policy` raises."""
    lines = read_lines(source)
    _, header = next(lines)
    assert isinstance(header, EvidenceHeader), "read_lines yields the header first or raises"
    rows, trusted, end = StatedRows(header), policy(header), None
    for number, line in lines:
        try:
            end = _take(rows, line, trusted) or end
        except (LedgerError, EvidenceMalformed) as error:
            rows.faults.append(f"Line {number} of the evidence: {error}")
    for stated in rows.files:
        try:
            _join(rows, stated)
        except EvidenceMalformed as error:
            rows.faults.append(f"The statement in entry {stated.entry_index}: {error}")
    rows.unstated_count = end.withheld.get(UNSTATED, 0) if end else 0
    if end is None or end.envelope_count != len(rows.files):
        rows.faults.append("The evidence is not whole: its end is missing, or counts other statements than are good.")
    return rows


def _take(rows: StatedRows, line: Line, policy: LogPolicy) -> EvidenceEnd | None:
    if isinstance(line, BrokenLine):
        raise EvidenceMalformed(line.reason)
    if isinstance(line, EvidenceEnd):
        return line
    if isinstance(line, RowHashes) and rows.files:
        rows.files[-1].leaves += _split(line.hashes)
    elif isinstance(line, StatedFile):
        rows.files.append(_prove(rows.header, line, policy))
    else:
        raise EvidenceMalformed("This line does not belong to the evidence of computed rows.")
    return None


def _prove(header: EvidenceHeader, stated: StatedFile, policy: LogPolicy) -> Stated:
    statement, receipt = Statement.parse(stated.statement), Receipt.parse(stated.receipt)
    verified = verify_receipt(receipt, entry=receipt.extra, policy=policy)
    content = read_entry(receipt.extra)
    hashes = content.get("statements")
    if content.get("kind") != DERIVED or not isinstance(hashes, list) or statement_hash(stated.statement) not in hashes:
        raise EvidenceMalformed("The log's entry does not hold this statement.")
    if (statement.listing, statement.resolution) != (header.listing, header.resolution):
        raise EvidenceMalformed("The statement is about another listing, or another resolution.")
    beside = _split(stated.beside)
    return Stated(statement, receipt.index, verified.is_final, stated.low, beside, stated.lacking)


def _join(rows: StatedRows, stated: Stated) -> None:
    """Show that the rows that were bought are those of the statement, by the hashes beside them."""
    if stated.lacking:
        return
    if stated.statement.columns != columns_hash(rows.header.columns):
        raise EvidenceMalformed("It is about other columns.")
    root = root_of_part(stated.statement.row_count, stated.low, stated.leaves, stated.beside)
    if root.hex() != stated.statement.row_root:
        raise EvidenceMalformed("The hashes of its rows do not lead to the root that it names.")
    rows.place_of.update((leaf, (stated, number)) for number, leaf in enumerate(stated.leaves, stated.low))


def file_hash(source: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := source.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def find_row(rows: StatedRows, row: TableRow) -> tuple[Stated, int] | None:
    """Use up the place of a row, so that it is found once."""
    values = [row.values.get(column.name) for column in rows.header.columns]
    found = rows.place_of.pop(row_leaf(row.time, row.device, values), None)
    if found is not None:
        found[0].seen.append(found[1])
    return found


def missing_count(rows: StatedRows) -> int:
    """How many rows of the statements stand between others that the download holds, and are not in it."""
    return sum(max(stated.seen) - min(stated.seen) + 1 - len(stated.seen) for stated in rows.files if stated.seen)


def whole_rows(rows: Iterator[TableRow], *, are_split: bool) -> Iterator[TableRow]:
    """Put the values of one row together that SenML has in records of their own, one after the other."""
    waiting: TableRow | None = None
    for row in rows:
        if not are_split:
            yield row
            continue
        if (
            waiting
            and (waiting.time, waiting.device) == (row.time, row.device)
            and not waiting.values.keys() & row.values
        ):
            waiting = TableRow(waiting.line, row.time, row.device, {**waiting.values, **row.values})
            continue
        if waiting:
            yield waiting
        waiting = row
    if waiting:
        yield waiting


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[start : start + 32] for start in range(0, len(hashes), 32)]
