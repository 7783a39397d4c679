"""One random bit flipped in any column of entries, tiles and checkpoints: the audit names the row."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.audit import verify_log
from ledger.services import sequence_batch
from tests.builders_ledger import submit_many, tamper

pytestmark = pytest.mark.django_db
BATCHES = (3, 297, 60)
# What a flip may do to each type: SQL that changes one bit of the column's value.
BYTES = "set_bit({0}, (%s %% (8 * octet_length({0})))::int, 1 - get_bit({0}, (%s %% (8 * octet_length({0})))::int))"
NUMBER = "{0} # (1::bigint << (%s %% 15 + %s * 0)::int)"
# PostgreSQL refuses an index that another entry has.
FAR = "{0} # (1::bigint << (9 + %s %% 20 + %s * 0)::int)"
SMALL = "({0} # (1 << (%s %% 7 + %s * 0)::int))::smallint"
# The lowest bits only: a flip of a higher one may leave no text at all, which PostgreSQL refuses.
_PLACE = "(%s %% length({0}))::int + 1"
TEXT = f"overlay({{0}} placing chr(ascii(substr({{0}}, {_PLACE}, 1)) # 1) from {_PLACE})"
TIME = "{0} + (1::bigint << (%s %% 40 + %s * 0)::int) * interval '1 microsecond'"
UUID = "encode(set_bit(uuid_send({0}), (%s %% 128)::int, 1 - get_bit(uuid_send({0}), (%s %% 128)::int)), 'hex')::uuid"
REFS = f"ARRAY[{TEXT.format('refs[1]')}]"
# entry.key and the serial numbers of tiles and checkpoints are in no signed bytes: nothing here can tell. The time of a
# checkpoint is vouched for by its entries only, and the one of the empty log has none.
COLUMNS = [
    *((name, "ledger_entry", flip, "entry") for name, flip in {
        "index": FAR, "entry_id": UUID, "kind": TEXT, "at": TIME, "refs": REFS, "body": BYTES, "leaf_hash": BYTES,
        "committed_at": TIME,
    }.items()),
    *((name, "ledger_tile", flip, "tile") for name, flip in {
        "level": SMALL.replace("7", "3"), "number": NUMBER, "hashes": BYTES,
    }.items()),
    *((name, "ledger_checkpoint", flip, "checkpoint") for name, flip in {
        "size": NUMBER, "root_hash": BYTES, "note": TEXT, "signed_at": TIME,
    }.items()),
]  # fmt: skip


@pytest.fixture
def log(now):
    for number, count in enumerate(BATCHES):
        submit_many(count, now)
        sequence_batch(at=now + timedelta(seconds=number))


@pytest.mark.parametrize(("column", "table", "flip", "subject"), COLUMNS)
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(0, 10_000), bit=st.integers(0, 10_000))
def test_a_flipped_bit_is_named(log, column, table, flip, subject, row, bit):
    order = "index" if table == "ledger_entry" else "id"
    where = (
        f"{order} = (SELECT {order} FROM {table} ORDER BY {order} OFFSET %s %% (SELECT count(*) FROM {table}) LIMIT 1)"
    )
    if column == "signed_at":
        row = 1 + row % len(BATCHES)
    with transaction.atomic():
        tamper("ALTER TABLE ledger_entry DROP CONSTRAINT entry_index_not_negative")
        tamper(f'UPDATE {table} SET "{column}" = {flip.format(column)} WHERE {where}', *flip_values(flip, bit), row)
        report = verify_log()
        transaction.set_rollback(True)
    places = [finding.place for finding in report.findings]
    # A time that no longer fits names the entries, whichever of the two was changed.
    named = {subject, "entry", "head"} if column == "signed_at" else {subject, "head"}
    assert places, (column, row, bit)
    assert named & {finding.subject for finding in report.findings}, places


def flip_values(flip: str, bit: int) -> list[int]:
    return [bit] * flip.replace("%%", "").count("%s")
