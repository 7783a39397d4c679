"""The sequencer's batches against COPY of the same bytes. Each batch is durable before the next begins."""

from unittest.mock import patch
from uuid import UUID

from django.db import connection

from bench.ledger_parts.records import NOW, copy_bytes, copy_into, cut, fill_outbox, make_records, set_aside, truncate
from bench.rows import Comparison, Row, compare
from ledger import sequencer, statements
from ledger.locks import elected_by
from ledger.models import Checkpoint, Entry, OutboxRow
from ledger.services import sequence_batch, verify_log

ROUNDS = 9
# Batch size, batches a round, goal.
SHAPES = ((1000, 6, 0.70), (16, 80, 0.75))
EQUAL, BARE = "bench_equal_entry", "bench_bare_entry"


class Ways:
    """Each call of a way stores new records: what is made of them beforehand costs it nothing."""

    # Of the copies: not one index twice, whatever the log has.
    first_index = 0

    def __init__(self, batch: int, batches: int) -> None:
        self.batch, self.batches = batch, batches
        self.prepare()

    def prepare(self) -> None:
        truncate("ledger_outboxrow")
        count = self.batch * self.batches
        self.records = list(cut(make_records(count), self.batch))
        firsts = range(Ways.first_index, Ways.first_index + count, self.batch)
        self.copies = [copy_bytes(records, first) for records, first in zip(self.records, firsts, strict=True)]
        Ways.first_index += count
        set_aside()

    def prepare_outbox(self) -> None:
        self.prepare()
        for records in self.records:
            fill_outbox(records)

    def append(self) -> None:
        """All that the sequencer does once it is elected, with the records at hand."""
        waiting = iter(self.records)
        with (
            patch.object(statements, "select_waiting", lambda _, **__: next(waiting)),
            patch.object(statements, "delete_waiting", lambda _: None),
            elected_by(sequencer.ELECTION),
        ):
            for _ in self.records:
                sequencer.commit_batch(NOW, self.batch)

    def sequence(self) -> None:
        """The same, with an election each, and with taking the records out of the outbox."""
        for _ in self.records:
            if sequence_batch(at=NOW, limit=self.batch) != self.batch:
                raise AssertionError("The outbox held less than was filled in.")

    def copy_equal(self) -> None:
        self._copy(EQUAL)

    def copy_bare(self) -> None:
        self._copy(BARE)

    def _copy(self, table: str) -> None:
        for content in self.copies:
            copy_into(table, content)


def check(ways: Ways) -> None:
    """Every way must store every byte before its time counts for anything."""
    size = Entry.objects.count()
    ways.append()
    stored = list(Entry.objects.filter(index__gte=size).order_by("index").values_list("entry_id", "body"))
    wanted = [(UUID(record.entry_id), record.body) for records in ways.records for record in records]
    if [(entry_id, bytes(body)) for entry_id, body in stored] != wanted:
        raise AssertionError("The log does not hold the records that were appended.")
    if Checkpoint.objects.filter(size__gt=size).count() != ways.batches or not verify_log().is_good:
        raise AssertionError("The log was not signed after each batch, or does not verify.")
    ways.copy_equal()
    ways.copy_bare()
    with connection.cursor() as cursor:
        columns = "entry_id, kind, key, at, refs, body, leaf_hash"
        for table in (EQUAL, BARE):
            appended = f"(SELECT * FROM ledger_entry WHERE index >= {size}) appended"
            cursor.execute(f"SELECT count(*) FROM {table} JOIN {appended} USING ({columns})")
            if cursor.fetchone() != (len(wanted),):
                raise AssertionError(f"{table} does not hold what the log holds.")
        cursor.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
        if cursor.fetchone() != ("on", "on"):
            raise AssertionError("The server does not make commits durable.")
    ways.prepare_outbox()
    ways.sequence()
    if OutboxRow.objects.exists():
        raise AssertionError("The outbox was not worked off.")
    ways.prepare()


def rows_of(batch: int, batches: int, goal: float) -> list[Row]:
    ways = Ways(batch, batches)
    check(ways)

    def row(name: str, comparison: Comparison, goal: float | None = None) -> Row:
        times = comparison.first_seconds / batches * 1000, comparison.second_seconds / batches * 1000
        note = f"({times[0]:.2f} ms a batch against {times[1]:.2f} ms)"
        return Row(f"batch {batch:,}: {name}", 1 / comparison.ratio, goal, note=note)

    equal = compare(ways.append, ways.copy_equal, rounds=ROUNDS, between=ways.prepare)
    bare = compare(ways.append, ways.copy_bare, rounds=ROUNDS, between=ways.prepare)
    ways.prepare_outbox()
    outbox = compare(ways.sequence, ways.copy_equal, rounds=ROUNDS, between=ways.prepare_outbox)
    return [
        row("append with tree, tiles, signed checkpoint / COPY into a table with the same indexes", equal, goal),
        row("the same / COPY into a table without any index or constraint", bare),
        row("the same, taken out of the outbox / COPY into a table with the same indexes", outbox),
    ]


def rows() -> list[Row]:
    sequence_batch(at=NOW)
    with connection.cursor() as cursor:
        # Indexes and check constraints come along; triggers do not.
        cursor.execute(f"CREATE TABLE {EQUAL} (LIKE ledger_entry INCLUDING ALL)")
        cursor.execute(f"CREATE TABLE {BARE} (LIKE ledger_entry)")
    return [row for shape in SHAPES for row in rows_of(*shape)]
