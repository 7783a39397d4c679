"""Inclusion proofs out of a log of a million entries."""

import random
import statistics
import time
from collections.abc import Iterator
from unittest.mock import patch

from bench.ledger_parts.records import NOW
from bench.rows import Row
from ledger import proofs, sequencer, statements
from ledger.entries import entry_bytes, time_ordered_id
from ledger.locks import elected_by
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.models import LogHead
from ledger.sequencer import WaitingRecord
from ledger.services import prove_inclusion, sequence_batch

ENTRIES = 1_000_000
AT_ONCE = 50_000
COLD_PROOFS = 1_000
WARM_PROOFS = 40_000
ROUNDS = 7
COLD_MS = 20
WARM_RATE = 20_000


def make_batches() -> Iterator[list[WaitingRecord]]:
    """Short records: a proof is as long whatever they say."""
    for first in range(0, ENTRIES, AT_ONCE):
        batch = []
        for number in range(first, first + AT_ONCE):
            entry_id = time_ordered_id(NOW)
            body = entry_bytes(kind="bench.entry", entry_id=entry_id, at=NOW, refs=[], body={"number": number})
            batch.append(WaitingRecord(number, str(entry_id), "bench.entry", entry_id.bytes, body, is_repeat=False))
        yield batch


def build_log() -> list[bytes]:
    """Append a million entries, past the outbox, and return their leaf hashes."""
    leaves: list[bytes] = []
    sequence_batch(at=NOW)
    with elected_by(sequencer.ELECTION), patch.object(statements, "delete_waiting", lambda _: None):
        for batch in make_batches():
            leaves += [leaf_hash(record.body) for record in batch]
            with patch.object(statements, "select_waiting", lambda _, taken=batch, **__: taken):
                sequencer.commit_batch(NOW, AT_ONCE)
    return leaves


def rows() -> list[Row]:
    leaves = build_log()
    head = LogHead.objects.get()
    root = bytes(head.root_hash)
    if head.size != ENTRIES:
        raise AssertionError(f"The log has {head.size} entries.")
    chance = random.Random(ENTRIES)

    def check(index: int, proof: list[bytes]) -> None:
        verify_inclusion(leaves[index], index, ENTRIES, proof, root)

    cold = []
    for _ in range(COLD_PROOFS):
        index = chance.randrange(ENTRIES)
        proofs.forget_tiles()
        started = time.perf_counter()
        proof = prove_inclusion(index, ENTRIES, root)
        cold.append(time.perf_counter() - started)
        check(index, proof)
    rates = []
    for number in range(ROUNDS + 1):
        indices = [chance.randrange(ENTRIES) for _ in range(WARM_PROOFS)]
        started = time.perf_counter()
        found = [prove_inclusion(index, ENTRIES, root) for index in indices]
        rate = WARM_PROOFS / (time.perf_counter() - started)
        for index, proof in zip(indices, found, strict=True):
            check(index, proof)
        # The first round is what warms it.
        rates += [rate] if number else []
    p99 = statistics.quantiles(cold, n=100)[-1] * 1000
    rate = statistics.median(rates)
    size = f"{ENTRIES:,} entries"
    cold_note = f"(p50 {statistics.median(cold) * 1000:.2f} ms, p99 {p99:.2f} ms)"
    return [
        Row(f"{COLD_MS} ms / p99 of a proof with {size}, no tile in memory", COLD_MS / p99, 1, note=cold_note),
        Row(
            f"proofs a second with {size}, tiles in memory / {WARM_RATE:,}",
            rate / WARM_RATE,
            1,
            note=f"({rate:.0f} a second, {ROUNDS} rounds of {WARM_PROOFS:,} at random places)",
        ),
    ]
