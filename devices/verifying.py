"""Compare a downloaded table with what the devices signed, and say in words what that proves. Pure."""

from typing import BinaryIO

from devices import evidence
from devices.evidence import EvidenceHeader, EvidenceMalformed, read_lines
from devices.origin_verdict import FAILED, CheckStopped, OriginVerdict, count_of
from devices.signed_rows import SEEN, SignedRow, SignedRows, read_signed_rows
from devices.tables import TableMalformed, TableRow, form_not_read, instant_text, read_table
from devices.verifying_derived import check_derived
from ledger.errors import LedgerError
from ledger.policy import LogPolicy
from ledger.verdicts import NOT_PROVED, NOTE, PROVED

_WITHHELD = {
    evidence.FIELDS: "also hold fields that were not bought",
    evidence.WINDOW: "also hold readings of before or after the time that was bought",
    evidence.DELAY: "also hold readings that are not due yet",
    evidence.SHARED: "also hold readings of another owner's time",
    evidence.MORE: "also hold something beside readings",
}


def check_download(
    verdict: OriginVerdict,
    download: BinaryIO,
    evidence_file: BinaryIO,
    *,
    policy: LogPolicy | None,
    received_until: int | None = None,
) -> None:
    """Check a table against its evidence. The verdict takes what is found, also where this raises.

    policy: whose signatures the reader trusts; without it the evidence's own is used, and nothing is final.
    received_until: leave out envelopes that came to the market after this moment, in microseconds since 1970.
    Raises CheckStopped.
    """

    def chosen(header: EvidenceHeader) -> LogPolicy:
        return policy or LogPolicy.parse(header.policy)

    try:
        _, header = next(read_lines(evidence_file))
        evidence_file.seek(0)
        if policy is None:
            verdict.say_untrusted()
        if isinstance(header, EvidenceHeader) and not header.is_raw:
            return check_derived(verdict, download, evidence_file, chosen)
        signed = read_signed_rows(evidence_file, chosen, received_until=received_until)
    except (EvidenceMalformed, LedgerError) as error:
        raise CheckStopped(f"The evidence cannot be used: {error}") from error
    _say_keys(verdict, signed)
    try:
        _compare(verdict, download, signed)
    except TableMalformed as error:
        verdict.is_bad = True
        verdict.say(FAILED, f"The download cannot be read: {error}")
    _say_faults(verdict, signed)
    _say_rows(verdict, signed)
    _say_limits(verdict, signed)
    verdict.conclude()
    return None


def _compare(verdict: OriginVerdict, download: BinaryIO, signed: SignedRows) -> None:
    if form := form_not_read(download):
        verdict.say(NOT_PROVED, f"Anything about this {form}: CSV, NDJSON and SenML JSON are compared row by row.")
        verdict.lacking_reasons.append("a download as CSV, NDJSON or SenML JSON")
        return
    form, rows = read_table(download)
    place_of = {column.name: place for place, column in enumerate(signed.header.columns)}
    first, last, places = None, None, set()
    for number, row in enumerate(rows, 1):
        verdict.row_count = number
        unknown = [name for name in row.values if name not in place_of]
        if unknown:
            raise TableMalformed(f"Line {row.line}: no column {unknown[0][:100]!a} belongs to this purchase.")
        places |= {place_of[name] for name in row.values}
        first = row.time if first is None else min(first, row.time)
        last = row.time if last is None else max(last, row.time)
        _compare_row(verdict, number, row, signed, place_of)
    verdict.say(NOTE, f"The download is {form} with {count_of(verdict.row_count, 'row')}.")
    if first is not None and last is not None:
        _find_missing(verdict, signed, (first, last), places)


def _compare_row(
    verdict: OriginVerdict, number: int, row: TableRow, signed: SignedRows, place_of: dict[str, int]
) -> None:
    where = f"Row {number:,} (line {row.line:,}): {row.device} at {instant_text(row.time)}"
    known = signed.rows.get((row.device, row.time))
    cells = [None] * len(place_of) if known is None else list(known.cells)
    _use_up(known, [place_of[name] for name in row.values])
    lacks = known is None
    for name, value in row.values.items():
        place = place_of[name]
        is_replaced = (row.device, row.time, place) in signed.replaced
        cell = cells[place]
        if cell is SEEN:
            return _differ(verdict, f"{where} stands in the file twice.")
        if cell is None:
            lacks |= value is not None or is_replaced
            continue
        if not _is_same(cell, value):
            return _differ(verdict, f"{where}: {name} is {value} in the file, and {cell} in what the device signed.")
    trouble = known.key.trouble if known else ""
    if trouble or lacks:
        verdict.unproven_count += 1
        verdict.unproven = verdict.unproven or f"{where}. {trouble or 'No envelope here holds it.'}"
    else:
        verdict.proven_count += 1
        if known and not known.key.is_final:
            verdict.unwitnessed_count += 1
            verdict.unwitnessed = verdict.unwitnessed or where
    return None


def _differ(verdict: OriginVerdict, sentence: str) -> None:
    verdict.differing_count += 1
    verdict.differing = verdict.differing or sentence


def _use_up(known: SignedRow | None, places: list[int]) -> None:
    for place in places:
        if known is not None and known.cells[place] is not None:
            known.cells[place] = SEEN


def _is_same(cell: object, value: float | None) -> bool:
    """To the last bit: 0.0 and -0.0 are not the same."""
    return isinstance(cell, float) and value is not None and cell.hex() == value.hex()


def _find_missing(verdict: OriginVerdict, signed: SignedRows, span: tuple[int, int], places: set[int]) -> None:
    """Name what devices signed between the first and the last row of the file, and the file does not hold."""
    missing = [
        (time, device)
        for (device, time), row in signed.rows.items()
        if span[0] <= time <= span[1] and any(row.cells[place] not in {None, SEEN} for place in places)
    ]
    verdict.missing_count = len(missing)
    if missing:
        time, device = min(missing)
        verdict.missing = f"{device} at {instant_text(time)}"


def _say_keys(verdict: OriginVerdict, signed: SignedRows) -> None:
    for (device, _), key in signed.keys.items():
        short = key.public_key.hex()[:12]
        if key.trouble:
            verdict.say(NOT_PROVED, f"That the key {short}… of {device} was ever enrolled. {key.trouble}")
            verdict.lacking_reasons.append(f"a proof of the key of {device}")
            continue
        state = "which is final" if key.is_final else "which its log signed and not enough witnesses have seen"
        verdict.say(PROVED, f"The log says in entry {key.entry_index}, {state}, that the key {short}… was enrolled.")
    if any(not key.is_final and not key.trouble for key in signed.keys.values()):
        verdict.lacking_reasons.append("witnesses for the log's entry of a key")


def _say_faults(verdict: OriginVerdict, signed: SignedRows) -> None:
    envelopes, readings = count_of(signed.envelope_count, "envelope"), count_of(signed.reading_count, "reading")
    verdict.say(PROVED if signed.envelope_count else NOTE, f"These keys signed {envelopes} with {readings}.")
    for sentence in signed.faults[:3]:
        verdict.say(FAILED, sentence)
    if len(signed.faults) > 3:
        verdict.say(FAILED, f"{len(signed.faults) - 3} more lines of the evidence are not good.")
    verdict.is_bad |= bool(signed.faults)


def _say_rows(verdict: OriginVerdict, signed: SignedRows) -> None:
    if verdict.differing:
        verdict.is_bad = True
        verdict.say(FAILED, verdict.differing)
        if verdict.differing_count > 1:
            verdict.say(FAILED, f"{verdict.differing_count:,} rows differ; this is the first of them.")
    if verdict.missing:
        verdict.is_bad = True
        verdict.say(
            FAILED, f"Not in the file: {count_of(verdict.missing_count, 'signed row')}, the first: {verdict.missing}."
        )
    if verdict.differing or verdict.missing:
        verdict.say(NOTE, "A file that is older than envelopes which came later is checked with --received-until.")
    if verdict.proven_count:
        rows = count_of(verdict.row_count, "row")
        verdict.say(PROVED, f"{verdict.proven_count:,} of {rows}: what the devices signed, to the last digit.")
    if verdict.unwitnessed:
        rows = count_of(verdict.unwitnessed_count, "row")
        verdict.say(
            NOT_PROVED, f"That all are shown the same entry of the key, for {rows}, the first: {verdict.unwitnessed}."
        )
    if verdict.unproven:
        verdict.say(
            NOT_PROVED, f"Without evidence: {count_of(verdict.unproven_count, 'row')}, the first: {verdict.unproven}"
        )
        verdict.lacking_reasons.append(
            f"evidence for {verdict.unproven_count:,} of {count_of(verdict.row_count, 'row')}"
        )
    if not verdict.row_count and not verdict.lacking_reasons:
        verdict.lacking_reasons.append("rows")


def _say_limits(verdict: OriginVerdict, signed: SignedRows) -> None:
    if signed.late_count:
        verdict.say(NOTE, f"Left out, as later than you asked for: {count_of(signed.late_count, 'envelope')}.")
    if signed.replaced:
        verdict.say(NOTE, f"Replaced by others, by the market's word: {count_of(len(signed.replaced), 'reading')}.")
    for reason, count in (signed.end.withheld if signed.end else {}).items():
        if count:
            verdict.say(
                NOTE, f"Not here: {count_of(count, 'envelope')}. They {_WITHHELD.get(reason, 'were held back')}."
            )
    verdict.say(NOT_PROVED, "That a device measured rightly, and stood where it should. It signed what it sent.")
    verdict.say(NOT_PROVED, "That nothing was left out before the first row and after the last one.")
