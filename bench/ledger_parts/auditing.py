"""The full audit against reading the same rows and throwing them away."""

from django.db import connection, transaction

from bench.ledger_parts.records import NOW, fill_outbox, make_records
from bench.rows import Row, compare
from ledger.services import sequence_batch, verify_log

# Long enough that what an audit does once, such as to begin its readers, is little of it, as in a log of millions.
ENTRIES = 200_000
AT_ONCE = 50_000
ROUNDS = 7
GOAL = 0.8
READS = (
    "SELECT index, entry_id, kind, key, at, refs, body, leaf_hash FROM ledger_entry ORDER BY index",
    "SELECT level, number, width, hashes FROM ledger_tile ORDER BY level, number, width",
    "SELECT size, root_hash, note FROM ledger_checkpoint ORDER BY size",
)


def read_rows() -> None:
    """As the audit reads them: in one transaction, in chunks of a server's cursor."""
    with transaction.atomic():
        for sql in READS:
            with connection.connection.cursor(name="bench", binary=True) as cursor:
                cursor.itersize = 4096
                cursor.execute(sql)
                while cursor.fetchmany(4096):
                    pass


def audit() -> None:
    report = verify_log()
    if not report.is_good or report.entry_count != ENTRIES:
        raise AssertionError("The audit did not find the whole log good.")


def rows() -> list[Row]:
    for done in range(0, ENTRIES, AT_ONCE):
        fill_outbox(make_records(min(AT_ONCE, ENTRIES - done)))
        while sequence_batch(at=NOW, limit=1000):
            pass
    audit()
    found = compare(audit, read_rows, rounds=ROUNDS)
    rates = ENTRIES / found.first_seconds, ENTRIES / found.second_seconds
    note = f"({rates[0]:.0f} against {rates[1]:.0f} entries a second)"
    return [Row(f"full audit of {ENTRIES:,} entries / reading the same rows", 1 / found.ratio, GOAL, note=note)]
