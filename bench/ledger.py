"""The ledger's speed: what a record costs, what an append costs, whether the log keeps up, proofs and audits."""

from collections.abc import Iterator

from bench.databases import empty_database
from bench.ledger_parts import appending, auditing, draining, proving, sealing, writing
from bench.rows import Row


def run() -> Iterator[Row]:
    for part in (writing, appending, draining, sealing, proving, auditing):
        empty_database()
        yield from part.rows()
