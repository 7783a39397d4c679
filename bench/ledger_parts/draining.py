"""Can the outbox fill faster than it drains? Sixteen clients commit rows as fast as they can, then the log takes them.

The clients are pgbench where it is installed: a program in C with prepared statements, quicker than any of ours.
"""

import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from django.db import connection

from bench.ledger_parts.records import NOW, fill_outbox, make_records, set_aside, truncate
from bench.rows import Row
from ledger.models import Entry, OutboxRow
from ledger.sequencer import MOST_AT_ONCE
from ledger.services import sequence_batch, verify_log
from marketplace.embedded.processes import server_account
from marketplace.embedded.programs import find_postgres

ROUNDS = 9
CLIENTS = 16
GOAL = 3
RECORDS = 2 * MOST_AT_ONCE
COMMITS = 10_000
_RATE = re.compile(r"tps = ([0-9.]+)")
OUTBOX_ROW = """
    INSERT INTO ledger_outboxrow (kind, key, entry_id, body, submitted_at)
    VALUES ('purchase.recorded', gen_random_uuid(), gen_random_uuid(), '\\x{body}', now());
"""
BARE_ROW = "INSERT INTO bench_row (body) VALUES ('\\x{body}');"


def drain() -> float:
    """Return how many records a second the log takes out of a full outbox."""
    truncate("ledger_outboxrow")
    fill_outbox(make_records(RECORDS))
    set_aside()
    started = time.perf_counter()
    taken = 0
    while count := sequence_batch(at=NOW):
        taken += count
    seconds = time.perf_counter() - started
    if taken != RECORDS or OutboxRow.objects.exists():
        raise AssertionError(f"The log took {taken} of {RECORDS} records.")
    return RECORDS / seconds


class Clients:
    """Sixteen connections that each commit one row after the other."""

    def __init__(self, folder: Path) -> None:
        self.program = find_postgres(server_account()).postgres.with_name("pgbench")
        self.folder = folder
        self.body = make_records(1)[0].body.hex()

    def commit(self, sql: str, table: str) -> float:
        """Return the better rate of one and of two threads that drive the connections."""
        return max(self._commit(sql, table, threads) for threads in (1, 2))

    def _commit(self, sql: str, table: str, threads: int) -> float:
        truncate(table)
        script = self.folder / "row.sql"
        script.write_text(sql.format(body=self.body))
        parts = connection.connection.info
        command = [self.program, "-h", parts.host, "-U", parts.user, "-n", "-M", "prepared", "-f", script]
        command += ["-c", str(CLIENTS), "-j", str(threads), "-t", str(COMMITS // CLIENTS), parts.dbname]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table}")
            if cursor.fetchone() != (COMMITS,):
                raise AssertionError(f"The clients did not commit {COMMITS} rows:\n{answer}")
        rate = _RATE.search(answer)
        if rate is None:
            raise AssertionError(answer)
        return float(rate[1])


def rows() -> list[Row]:
    sequence_batch(at=NOW)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_row (id bigserial PRIMARY KEY, body bytea)")
    with tempfile.TemporaryDirectory(prefix="ownstream-bench-") as folder:
        clients = Clients(Path(folder))
        drain()
        if not verify_log().is_good or Entry.objects.count() != RECORDS:
            raise AssertionError("The log does not verify.")
        ways = {
            "drain": drain,
            "outbox": lambda: clients.commit(OUTBOX_ROW, "ledger_outboxrow"),
            "bare": lambda: clients.commit(BARE_ROW, "bench_row"),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(ROUNDS):
            for name in list(ways) if number % 2 else reversed(ways):
                rates[name].append(ways[name]())
        truncate("ledger_outboxrow")
    return [
        row("outbox rows", rates["drain"], rates["outbox"], GOAL),
        row("rows of a table with one index", rates["drain"], rates["bare"], None),
    ]


def row(what: str, drained: list[float], committed: list[float], goal: float | None) -> Row:
    ratio = statistics.median(one / other for one, other in zip(drained, committed, strict=True))
    note = f"({statistics.median(drained):.0f} against {statistics.median(committed):.0f} a second)"
    return Row(f"the outbox drains / {CLIENTS} clients commit single {what}", ratio, goal, note=note)
