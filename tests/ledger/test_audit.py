import pytest
from django.db import connection

from ledger.audit import AuditReport
from ledger.models import Checkpoint, LogHead, Tile
from ledger.notes import NoteSigner
from ledger.services import sequence_batch, verify_log
from tests.builders_ledger import submit_many, tamper

pytestmark = pytest.mark.django_db

FLIP = "set_byte({0}, octet_length({0}) / 2, get_byte({0}, octet_length({0}) / 2) # 1)"


@pytest.fixture
def log(now):
    for count in (1, 299, 0, 250):
        submit_many(count, now)
        sequence_batch(at=now)


def found(report: AuditReport) -> dict[str, str]:
    """The first place of each subject."""
    return {finding.subject: finding.place for finding in report.first_findings}


def test_finds_nothing_in_a_good_log(log):
    report = verify_log()
    assert report.is_good
    assert report.findings == []
    assert (report.size, report.entry_count, report.checkpoint_count) == (550, 550, 4)
    assert report.tile_count == Tile.objects.count()
    assert report.root_hash == bytes(LogHead.objects.get().root_hash)


def test_finds_nothing_in_an_empty_log(now):
    assert verify_log().is_good
    sequence_batch(at=now)
    report = verify_log()
    assert (report.is_good, report.size, report.checkpoint_count) == (True, 0, 1)


def test_reads_one_snapshot(transactional_db, log):
    assert not connection.in_atomic_block
    assert verify_log().is_good


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (
            f"UPDATE ledger_entry SET body = {FLIP.format('body')} WHERE index = 300",
            {"entry": "entry 300", "tile": "tile/0/001", "checkpoint": "checkpoint of size 550"},
        ),
        (f"UPDATE ledger_entry SET leaf_hash = {FLIP.format('leaf_hash')} WHERE index = 7", {"entry": "entry 7"}),
        ("UPDATE ledger_entry SET kind = 'a.b' WHERE index = 549", {"entry": "entry 549"}),
        ("UPDATE ledger_entry SET entry_id = gen_random_uuid() WHERE index = 0", {"entry": "entry 0"}),
        ("UPDATE ledger_entry SET at = at + interval '1 s' WHERE index = 3", {"entry": "entry 3"}),
        ("UPDATE ledger_entry SET refs = '{}' WHERE index = 4", {"entry": "entry 4"}),
        ("DELETE FROM ledger_entry WHERE index = 255", {"entry": "entry 255", "tile": "tile/0/000"}),
        ("DELETE FROM ledger_entry WHERE index = 549", {"entry": "entry 549"}),
        (f"UPDATE ledger_tile SET hashes = {FLIP.format('hashes')} WHERE level = 0 AND width = 256 AND number = 1",
         {"tile": "tile/0/001"}),
        (f"UPDATE ledger_tile SET hashes = {FLIP.format('hashes')} WHERE level = 1 AND width = 2",
         {"tile": "tile/1/000.p/2"}),
        ("DELETE FROM ledger_tile WHERE level = 0 AND number = 0 AND width = 256", {"tile": "tile/0/000"}),
        ("DELETE FROM ledger_tile WHERE level = 0 AND number = 2 AND width = 38", {"tile": "tile/0/002.p/38"}),
        ("DELETE FROM ledger_tile WHERE level = 1 AND width = 1", {"tile": "tile/1/000.p/1"}),
        ("INSERT INTO ledger_tile (level, number, width, hashes) VALUES (0, 2, 39, decode(repeat('00', 1248), 'hex'))",
         {"tile": "tile/0/002.p/39"}),
        ("INSERT INTO ledger_tile (level, number, width, hashes) VALUES (3, 0, 1, decode(repeat('00', 32), 'hex'))",
         {"tile": "tile/3/000.p/1"}),
        (f"UPDATE ledger_checkpoint SET root_hash = {FLIP.format('root_hash')} WHERE size = 300",
         {"checkpoint": "checkpoint of size 300"}),
        ("UPDATE ledger_checkpoint SET note = replace(note, '300', '301') WHERE size = 300",
         {"checkpoint": "checkpoint of size 300"}),
        ("UPDATE ledger_checkpoint SET note = 'nothing' WHERE size = 0", {"checkpoint": "checkpoint of size 0"}),
        ("UPDATE ledger_checkpoint SET size = 299 WHERE size = 300", {"checkpoint": "checkpoint of size 299"}),
        ("DELETE FROM ledger_checkpoint WHERE size = 550", {"head": "head of size 550"}),
        ("UPDATE ledger_loghead SET note = replace(note, '550', '551')", {"head": "head of size 550"}),
        ("UPDATE ledger_loghead SET root_hash = sha256('other')", {"head": "head of size 550"}),
        ("UPDATE ledger_loghead SET size = 300, root_hash = (SELECT root_hash FROM ledger_checkpoint WHERE size = 300)",
         {"entry": "entry 300", "checkpoint": "checkpoint of size 550", "head": "head of size 300"}),
        ("UPDATE ledger_checkpoint SET note = (SELECT note FROM ledger_checkpoint WHERE size = 1) WHERE size = 300",
         {"checkpoint": "checkpoint of size 300"}),
    ],
)  # fmt: skip
def test_names_what_was_changed_behind_the_triggers(log, sql, expected):
    tamper(sql)
    report = verify_log()
    assert not report.is_good
    assert expected.items() <= found(report).items()
    assert report.finding_count >= len(report.findings)


def test_finds_two_swapped_entries(log):
    tamper("ALTER TABLE ledger_entry DROP CONSTRAINT entry_index_not_negative")
    for old, new in ((10, -1), (11, 10), (-1, 11)):
        tamper("UPDATE ledger_entry SET index = %s WHERE index = %s", new, old)
    assert found(verify_log())["tile"] == "tile/0/000"


def test_finds_an_inserted_entry(log):
    tamper(
        "INSERT INTO ledger_entry SELECT 550, gen_random_uuid(), 'a.b', gen_random_uuid(), at, refs, body, leaf_hash,"
        " committed_at FROM ledger_entry WHERE index = 549"
    )
    assert found(verify_log()) == {"entry": "entry 550"}


def test_finds_a_checkpoint_that_another_key_signed(log):
    checkpoint = Checkpoint.objects.get(size=300)
    text = checkpoint.note.split("\n\n")[0] + "\n"
    forged = NoteSigner("ownstream.invalid/log", bytes(32)).sign(text)
    tamper("UPDATE ledger_checkpoint SET note = %s WHERE size = 300", forged)
    report = verify_log()
    assert found(report) == {"checkpoint": "checkpoint of size 300"}
    assert report.findings[0].sentence == "No trusted key signed this note."


def test_many_findings_are_counted_but_not_all_listed(log):
    tamper("UPDATE ledger_entry SET kind = 'a.b'")
    report = verify_log()
    assert report.finding_count == 550
    assert len(report.findings) == 100
