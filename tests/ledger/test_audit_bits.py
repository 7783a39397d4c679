"""One random bit flipped in any column of what the log keeps: the audit names that row, as what it is."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.audit import verify_log
from ledger.models import Checkpoint, Cosignature, Entry, FinalCheckpoint, LogHead, StoredReceipt, Tile
from ledger.notes import parse_note
from ledger.receipt_building import receipt_for
from ledger.services import sequence_batch
from ledger.tiles import TileId, tile_path
from tests.builders_ledger import submit_many, tamper
from tests.builders_receipts import COSIGNED_AT, WITNESSES, cosigned, write_policy
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).resolve().parents[2] / "docs" / "ledger.md"
BATCHES = (3, 297, 60)
# What a flip may do to each type: SQL that changes one bit of the column's value.
BYTES = "set_bit({0}, (%s %% (8 * octet_length({0})))::int, 1 - get_bit({0}, (%s %% (8 * octet_length({0})))::int))"
NUMBER = "{0} # (1::bigint << (%s %% 15)::int)"
# PostgreSQL refuses an index that another entry has.
FAR = "{0} # (1::bigint << (9 + %s %% 20)::int)"
LEVEL = "({0} # (1 << (%s %% 3)::int))::smallint"
WIDTH = "({0} # (1 << (%s %% 9)::int))::smallint"
# The lowest bits only: a flip of a higher one may leave no text at all, which PostgreSQL refuses.
_PLACE = "(%s %% length({0}))::int + 1"
TEXT = f"overlay({{0}} placing chr(ascii(substr({{0}}, {_PLACE}, 1)) # 1) from {_PLACE})"
TIME = "{0} + (1::bigint << (%s %% 40)::int) * interval '1 microsecond'"
UUID = "encode(set_bit(uuid_send({0}), (%s %% 128)::int, 1 - get_bit(uuid_send({0}), (%s %% 128)::int)), 'hex')::uuid"
REFS = f"ARRAY[{TEXT.format('refs[1]')}]"
MODELS = {
    model._meta.db_table: model
    for model in (Entry, Tile, Checkpoint, FinalCheckpoint, Cosignature, StoredReceipt, LogHead)
}
FLIPS = {
    "ledger_entry.index": FAR,
    "ledger_entry.entry_id": UUID,
    "ledger_entry.kind": TEXT,
    "ledger_entry.at": TIME,
    "ledger_entry.refs": REFS,
    "ledger_entry.body": BYTES,
    "ledger_entry.leaf_hash": BYTES,
    "ledger_entry.committed_at": TIME,
    "ledger_tile.level": LEVEL,
    "ledger_tile.number": NUMBER,
    "ledger_tile.width": WIDTH,
    "ledger_tile.hashes": BYTES,
    "ledger_checkpoint.size": NUMBER,
    "ledger_checkpoint.root_hash": BYTES,
    "ledger_checkpoint.note": TEXT,
    "ledger_checkpoint.signed_at": TIME,
    "ledger_finalcheckpoint.size": NUMBER,
    "ledger_finalcheckpoint.note": TEXT,
    "ledger_cosignature.size": NUMBER,
    "ledger_cosignature.key_id": BYTES,
    "ledger_cosignature.line": TEXT,
    "ledger_cosignature.cosigned_at": TIME,
    "ledger_storedreceipt.index": FAR,
    "ledger_storedreceipt.text": TEXT,
    "ledger_loghead.size": NUMBER,
    "ledger_loghead.root_hash": BYTES,
    "ledger_loghead.note": TEXT,
    "ledger_loghead.updated_at": TIME,
}
# In no signed bytes: nothing here can tell. docs/ledger.md says so, with the reason of each.
UNSIGNED = {
    "ledger_entry.key",
    "ledger_tile.id",
    "ledger_checkpoint.id",
    "ledger_finalcheckpoint.id",
    "ledger_finalcheckpoint.final_at",
    "ledger_cosignature.id",
    "ledger_cosignature.witness_name",
    "ledger_cosignature.received_at",
    "ledger_storedreceipt.frozen_at",
    "ledger_loghead.id",
}
# Two rows may not say the same, nor a tile have another width than its hashes: who owns the database lifts that first.
RULES = {
    "ledger_entry": ["entry_index_not_negative"],
    "ledger_tile": ["tile_holds_its_width", "tile_width", "tile_once"],
    "ledger_checkpoint": ["ledger_checkpoint_size_key"],
    "ledger_finalcheckpoint": ["ledger_finalcheckpoint_size_key"],
}


@pytest.fixture
def log(now, settings, tmp_path):
    settings.LEDGER_POLICY_FILE = write_policy(tmp_path)
    for number, count in enumerate(BATCHES):
        submit_many(count, now)
        sequence_batch(at=now + timedelta(seconds=number))
    for checkpoint in Checkpoint.objects.exclude(size=0):
        FinalCheckpoint.objects.create(size=checkpoint.size, note=cosigned(checkpoint.note), final_at=now)
        for number in (0, 1):
            line = WITNESSES[number].cosign(parse_note(checkpoint.note).text, COSIGNED_AT)
            Cosignature.objects.create(
                size=checkpoint.size,
                witness_name=f"maker{number + 1}",
                key_id=WITNESSES[number].verifier_key.key_id,
                line=line,
                cosigned_at=datetime.fromtimestamp(COSIGNED_AT, UTC),
                received_at=now,
            )
    for index in (0, 5, 299, 300, 359):
        receipt_for(Entry.objects.get(pk=index), at=now)
    with owner_rights(), connection.cursor() as cursor:
        for table, names in RULES.items():
            for name in names:
                cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")


def subject_and_place(row):
    """As what and where the audit must name a row."""
    match row:
        case Entry():
            return "entry", f"entry {row.index}"
        case Tile():
            return "tile", tile_path(TileId(row.level, row.number, row.width))
        case Checkpoint():
            return "checkpoint", f"checkpoint of size {row.size}"
        case FinalCheckpoint():
            return "final checkpoint", f"final checkpoint of size {row.size}"
        case LogHead():
            return "head", f"head of size {row.size}"
        case Cosignature():
            return "cosignature", f"cosignature of {row.witness_name} for size {row.size}"
        case _:
            return "receipt", f"receipt of entry {row.index}"


@pytest.mark.parametrize("name", list(FLIPS))
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(0, 10_000), bit=st.integers(0, 10_000))
def test_a_flipped_bit_is_named(log, name, row, bit):
    table, column = name.split(".")
    rows: list[Any] = list(MODELS[table].objects.order_by("pk"))
    if column == "signed_at":
        rows = [each for each in rows if each.size]
    before = rows[row % len(rows)]
    flip = FLIPS[name].format(column)
    primary = before.pk
    with transaction.atomic():
        sql = f'UPDATE {table} SET "{column}" = {flip} WHERE "{before._meta.pk.column}" = %s RETURNING *'
        tamper(sql, *[bit] * flip.replace("%%", "").count("%s"), primary)
        report = verify_log()
        known = {each.pk: each for each in MODELS[table].objects.all()}
        transaction.set_rollback(True)
    unchanged = {each.pk for each in MODELS[table].objects.all()}
    after = known.get(primary) or next(each for key, each in known.items() if key not in unchanged)
    named = {(finding.subject, finding.place) for finding in report.findings}
    assert named & {subject_and_place(before), subject_and_place(after)}, (named, row, bit)


def test_every_column_is_flipped_or_stands_in_the_list_that_outsiders_read():
    columns = {f"{table}.{field.column}" for table, model in MODELS.items() for field in model._meta.fields}
    assert columns == set(FLIPS) | UNSIGNED
    assert not UNSIGNED & set(FLIPS)
    assert set(re.findall(r"^- `(ledger_\w+\.\w+)`: \w", DOCS.read_text(), re.MULTILINE)) == UNSIGNED
