"""Compare a download of computed rows with what the market stated of them in the log. Pure."""

from collections.abc import Callable
from typing import BinaryIO

from devices.derived_rows import (
    StatedRows,
    file_hash,
    find_row,
    missing_count,
    read_stated_rows,
    whole_rows,
)
from devices.evidence import EvidenceHeader
from devices.origin_verdict import FAILED, OriginVerdict, count_of
from devices.tables import ARROW, SENML, TableMalformed, form_not_read, instant_text, read_table
from ledger.policy import LogPolicy
from ledger.verdicts import NOT_PROVED, NOTE, PROVED

_MOST_SAID = 3


def check_derived(
    verdict: OriginVerdict,
    download: BinaryIO,
    evidence_file: BinaryIO,
    policy: Callable[[EvidenceHeader], LogPolicy],
) -> None:
    """Raises EvidenceMalformed when the file is no evidence, and what `policy` raises."""
    verdict.is_derived = True
    rows = read_stated_rows(evidence_file, policy)
    verdict.say(NOTE, "The rows are derived: computed from readings that devices signed. No device signed the rows.")
    _say_statements(verdict, rows)
    form = form_not_read(download)
    if form == ARROW:
        verdict.say(NOT_PROVED, f"Anything about this {form}: CSV, NDJSON and SenML JSON are compared row by row.")
        verdict.lacking_reasons.append("a download as CSV, NDJSON or SenML JSON")
    elif form:
        _compare_file(verdict, download, rows)
    else:
        try:
            _compare_rows(verdict, download, rows)
        except TableMalformed as error:
            verdict.is_bad = True
            verdict.say(FAILED, f"The download cannot be read: {error}")
    for sentence in rows.faults[:3]:
        verdict.is_bad = True
        verdict.say(FAILED, sentence)
    verdict.say(NOT_PROVED, "That the market computed rightly. Whoever holds the envelopes can compute it again.")
    verdict.say(NOT_PROVED, "That nothing was left out before the first row and after the last one.")
    verdict.conclude()


def _say_statements(verdict: OriginVerdict, rows: StatedRows) -> None:
    for stated in rows.files[:_MOST_SAID]:
        said = stated.statement
        state = "which is final" if stated.is_final else "which its log signed and not enough witnesses have seen"
        rows_said, inputs = count_of(said.row_count, "row"), count_of(said.input_count, "envelope")
        verdict.say(
            PROVED,
            f"In entry {stated.entry_index}, {state}, the market stated that {said.program} computed {rows_said} at "
            f"{said.resolution} from {inputs} with the root {said.input_root[:12]}…, and wrote the file "
            f"{said.sha256[:12]}….",
        )
    if more := rows.files[_MOST_SAID:]:
        entries = _entries({stated.entry_index for stated in more})
        row_count = count_of(sum(stated.statement.row_count for stated in more), "row")
        verdict.say(PROVED, f"It stated the same of {len(more):,} more files with {row_count}, in {entries}.")
    if any(not stated.is_final for stated in rows.files):
        verdict.lacking_reasons.append("witnesses for the log's entry of a statement")
    if not rows.files:
        verdict.lacking_reasons.append("statements: the market made none yet")


def _entries(indices: set[int]) -> str:
    first, last = min(indices), max(indices)
    return f"entry {first}" if first == last else f"{len(indices):,} entries from {first} to {last}"


def _compare_file(verdict: OriginVerdict, download: BinaryIO, rows: StatedRows) -> None:
    found = file_hash(download)
    stated = next((one for one in rows.files if one.statement.sha256 == found), None)
    if stated is None:
        verdict.say(NOT_PROVED, f"The Parquet file {found[:12]}… is none of those that the statements name.")
        verdict.lacking_reasons.append("a statement about this very file; CSV and NDJSON are compared row by row")
        return
    verdict.row_count = verdict.proven_count = stated.statement.row_count
    verdict.say(PROVED, f"The Parquet file is the one of entry {stated.entry_index}, byte for byte.")


def _compare_rows(verdict: OriginVerdict, download: BinaryIO, rows: StatedRows) -> None:
    form, found = read_table(download)
    names: set[str] = set()
    for number, row in enumerate(whole_rows(found, are_split=form == SENML), 1):
        verdict.row_count = number
        names |= row.values.keys()
        where = f"Row {number:,} (line {row.line:,}): {row.device} at {instant_text(row.time)}"
        place = find_row(rows, row)
        if place is None:
            verdict.differing_count += 1
            verdict.differing = verdict.differing or f"{where} is not a row that a statement commits to."
            continue
        verdict.proven_count += 1
        if not place[0].is_final:
            verdict.unwitnessed = verdict.unwitnessed or where
    verdict.say(NOTE, f"The download is {form} with {count_of(verdict.row_count, 'row')}.")
    _say_rows(verdict, rows, names)


def _say_rows(verdict: OriginVerdict, rows: StatedRows, names: set[str]) -> None:
    lacking = _reason(rows, names)
    if verdict.differing and lacking:
        verdict.unproven, verdict.unproven_count = verdict.differing, verdict.differing_count
        verdict.differing, verdict.differing_count = "", 0
        verdict.say(NOT_PROVED, f"{lacking} The first row without proof: {verdict.unproven}")
        verdict.lacking_reasons.append(f"proof for {verdict.unproven_count:,} of {count_of(verdict.row_count, 'row')}")
    if verdict.differing:
        verdict.is_bad = True
        verdict.say(FAILED, verdict.differing)
    if missing := missing_count(rows):
        verdict.is_bad = True
        verdict.say(FAILED, f"Not in the file, and between rows that are: {count_of(missing, 'stated row')}.")
    if verdict.differing or missing:
        verdict.say(NOTE, "A file that is older than the evidence may differ in good faith: load both anew.")
    if verdict.proven_count:
        total = count_of(verdict.row_count, "row")
        verdict.say(PROVED, f"{verdict.proven_count:,} of {total}: what the market stated, to the last digit.")
    if verdict.unwitnessed:
        verdict.say(NOT_PROVED, f"That all are shown the same statement; the first row: {verdict.unwitnessed}.")
    if not verdict.row_count:
        verdict.lacking_reasons.append("rows")


def _reason(rows: StatedRows, names: set[str]) -> str:
    """Why rows may be good although no statement shows it."""
    for stated in rows.files:
        if stated.lacking:
            return stated.lacking
    if not {column.name for column in rows.header.columns} <= names:
        return "The file lacks columns of the table, and statements are about whole rows."
    if rows.unstated_count or not rows.files:
        return "Not all files of the table have their statement yet."
    return ""
