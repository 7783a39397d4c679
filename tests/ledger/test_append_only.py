import pytest
from django.db import DatabaseError, connection, transaction

from ledger.models import Checkpoint, Entry, LogFreeze, LogHead, Tile
from ledger.services import sequence_batch
from tests.builders_ledger import submit_many
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _log(now):
    """What only a missing right would refuse is in test_roles.py; here the triggers stand against the owner himself."""
    submit_many(3, now)
    sequence_batch(at=now)
    with owner_rights():
        yield


def refused(sql: str) -> None:
    before = [list(model.objects.order_by("pk").values()) for model in (Entry, Tile, Checkpoint, LogHead)]
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    assert [list(model.objects.order_by("pk").values()) for model in (Entry, Tile, Checkpoint, LogHead)] == before


COLUMN = {
    "ledger_entry": "committed_at",
    "ledger_tile": "hashes",
    "ledger_checkpoint": "note",
    "ledger_cosignature": "line",
    "ledger_witnesskey": "key",
    "ledger_finalcheckpoint": "note",
    "ledger_alarm": "sentence",
    "ledger_storedreceipt": "text",
    "ledger_auditvisit": "subject",
}


@pytest.mark.parametrize("table", list(COLUMN))
@pytest.mark.parametrize("role", ["origin", "replica"])
def test_refuses_update_delete_and_truncate(table, role):
    column = COLUMN[table]
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL session_replication_role = {role}")
    for sql in (
        f"UPDATE {table} SET {column} = {column}",
        f"UPDATE {table} SET {column} = {column} WHERE false",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
        f"TRUNCATE {table} CASCADE",
    ):
        refused(sql)


COPIED = "gen_random_uuid(), 'a.b', gen_random_uuid(), at, refs, body, leaf_hash, committed_at FROM ledger_entry"
INTO = "INSERT INTO ledger_entry (index, entry_id, kind, key, at, refs, body, leaf_hash, committed_at)"


@pytest.mark.parametrize("index", ["index + 4", "index * 2 + 3", "index - 3", "index"])
def test_refuses_entries_that_leave_a_gap_or_overlap(index):
    refused(f"{INTO} SELECT {index}, {COPIED}")


def test_refuses_a_hash_or_a_body_of_another_size():
    refused(f"{INTO} SELECT index + 3, {COPIED}".replace(" leaf_hash, committed_at FROM", " 'x', committed_at FROM"))
    refused(f"{INTO} SELECT index + 3, {COPIED}".replace(" body, leaf_hash, comm", " ''::bytea, leaf_hash, comm"))
    refused("INSERT INTO ledger_tile (level, number, width, hashes) VALUES (0, 9, 2, 'short')")
    refused("INSERT INTO ledger_checkpoint (size, root_hash, note, signed_at) VALUES (9, 'short', '', now())")


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_loghead SET size = 2",
        "UPDATE ledger_loghead SET root_hash = sha256('other')",
        "DELETE FROM ledger_loghead",
        "TRUNCATE ledger_loghead",
        "INSERT INTO ledger_loghead (id, size, root_hash, note) VALUES (2, 0, sha256(''), '')",
        "INSERT INTO ledger_checkpoint (size, root_hash, note, signed_at) VALUES (3, sha256('other'), '', now())",
        "INSERT INTO ledger_tile (level, number, width, hashes) SELECT level, number, width, hashes FROM ledger_tile",
    ],
)
def test_refuses_a_second_or_a_smaller_truth(sql):
    refused(sql)


def test_a_freeze_can_be_lifted_once_and_never_rewritten(now):
    freeze = LogFreeze.objects.create(code="log_rolled_back", sentence="The head is too small.", frozen_at=now)
    freeze.lifted_at, freeze.lifted_by, freeze.lifted_reason = now, "operator", "The database was brought back whole."
    freeze.save()
    for sql in (
        "UPDATE ledger_logfreeze SET lifted_at = NULL, lifted_by = '', lifted_reason = ''",
        "UPDATE ledger_logfreeze SET sentence = 'Nothing happened.'",
        "DELETE FROM ledger_logfreeze",
        "TRUNCATE ledger_logfreeze",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    assert LogFreeze.objects.get().sentence == "The head is too small."


def test_the_log_is_frozen_once_at_a_time(now):
    LogFreeze.objects.create(code="log_rolled_back", sentence="The head is too small.", frozen_at=now)
    with pytest.raises(DatabaseError), transaction.atomic():
        LogFreeze.objects.create(code="log_forked", sentence="Another root.", frozen_at=now)
