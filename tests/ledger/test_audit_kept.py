"""What an audit says about cosignatures and frozen receipts: each row that does not verify is named."""

from datetime import UTC, datetime
from importlib import import_module

import pytest
from django.db import connection
from django.utils import timezone

from ledger import audit_kept
from ledger.audit_checkpoints import SignatureCheck
from ledger.audit_report import AuditReport
from ledger.audit_runs import continue_audit, request_audit
from ledger.models import Checkpoint, Cosignature, Entry, FinalCheckpoint, StoredReceipt, WitnessKey, WitnessMemory
from ledger.notes import parse_note
from ledger.receipt_building import receipt_for
from ledger.receipts import Receipt
from ledger.services import sequence_batch, verify_log
from ledger.witnessing import gather_cosignatures
from tests.builders_ledger import submit_many, tamper
from tests.builders_receipts import COSIGNED_AT, POLICY, WITNESSES, cosigned, write_policy
from tests.ledger.witnesses import honest, policy_text

pytestmark = pytest.mark.django_db
SIZES = (3, 7, 9)
AT = datetime.fromtimestamp(COSIGNED_AT, UTC)


@pytest.fixture
def log(settings, tmp_path, now):
    """Nine entries in three checkpoints, each cosigned by two witnesses and final, and a receipt of each entry."""
    settings.LEDGER_POLICY_FILE = write_policy(tmp_path)
    for count in (3, 4, 2):
        submit_many(count, now)
        sequence_batch(at=now)
    for size in SIZES:
        for number in (0, 1):
            cosign(size, number, now)
        FinalCheckpoint.objects.create(size=size, note=cosigned(signed(size)), final_at=now)
    for entry in Entry.objects.all():
        receipt_for(entry, at=now)


def signed(size: int) -> str:
    return Checkpoint.objects.get(size=size).note


def cosign(size: int, number: int, now: datetime, *, of: int | None = None) -> None:
    witness = WITNESSES[number]
    line = witness.cosign(parse_note(signed(of or size)).text, COSIGNED_AT)
    key_id = witness.verifier_key.key_id
    Cosignature.objects.create(
        size=size, witness_name=f"maker{number + 1}", key_id=key_id, line=line, cosigned_at=AT, received_at=now
    )


def findings():
    return [(found.subject, found.place, found.sentence) for found in verify_log().findings]


def test_finds_nothing_in_what_is_good_and_counts_it(log):
    report = verify_log()
    assert report.findings == []
    assert (report.cosignature_count, report.receipt_count) == (6, 9)


def test_names_the_witness_and_the_size_of_a_cosignature_of_another_checkpoint(log, now):
    cosign(7, 2, now, of=9)
    name = WITNESSES[2].verifier_key.name
    assert findings() == [("cosignature", "cosignature of maker3 for size 7", f"The signature of {name} fails.")]


@pytest.mark.parametrize("line", ["", "nonsense\n", "\n\nnonsense\n", "\u2014 maker1.example/witness AAAA\n"])
def test_names_what_is_no_line(log, line):
    tamper("UPDATE ledger_cosignature SET line = %s WHERE size = 3 AND witness_name = 'maker2'", line)
    assert [found[:2] for found in findings()] == [("cosignature", "cosignature of maker2 for size 3")]


def test_names_two_lines_in_one_row(log):
    tamper("UPDATE ledger_cosignature SET line = line || line WHERE size = 3 AND witness_name = 'maker2'")
    assert findings() == [("cosignature", "cosignature of maker2 for size 3", "It is not one signature line.")]


@pytest.mark.parametrize("change", ["cosigned_at = cosigned_at + interval '1 s'", "key_id = '\\x00000000'", "size = 9"])
def test_names_a_cosignature_whose_columns_say_something_else(log, change):
    tamper("DELETE FROM ledger_cosignature WHERE size = 9")
    tamper(f"UPDATE ledger_cosignature SET {change} WHERE size = 3 AND witness_name = 'maker2'")
    ((subject, place, _),) = findings()
    assert (subject, place.partition(" for ")[0]) == ("cosignature", "cosignature of maker2")


def test_names_a_cosignature_of_a_size_that_was_never_signed(log):
    tamper("UPDATE ledger_cosignature SET size = 8 WHERE size = 9 AND witness_name = 'maker1'")
    assert findings() == [("cosignature", "cosignature of maker1 for size 8", "No checkpoint of this size is stored.")]


def test_what_a_witness_of_an_earlier_policy_said_is_checked_with_its_key(log, settings, now):
    key = POLICY.witnesses[0].key
    text = settings.LEDGER_POLICY_FILE.read_text().replace(str(key), str(WITNESSES[2].verifier_key))
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith("witness maker3")]
    text = "".join(lines).replace("2 maker1 maker2 maker3", "2 maker1 maker2")
    settings.LEDGER_POLICY_FILE.write_text(text)
    sentence = "Its key is of no witness that this log ever asked."
    unknown = [("cosignature", f"cosignature of maker1 for size {size}", sentence) for size in SIZES]
    found = findings()
    assert found[:3] == unknown
    sentence = "One of its lines is of no key that was ever this log's or a witness's."
    others = [("receipt", f"receipt of entry {index}", sentence) for index in range(9)]
    assert found[3:] == [
        *others,
        *(("final checkpoint", f"final checkpoint of size {size}", sentence) for size in SIZES),
    ]
    WitnessKey.objects.create(key=str(key), named_at=now)
    assert findings() == []
    tamper(
        "UPDATE ledger_cosignature SET line = (SELECT line FROM ledger_cosignature WHERE size = 9 AND"
        " witness_name = 'maker1') WHERE size = 7 AND witness_name = 'maker1'"
    )
    assert [found[1] for found in findings()] == ["cosignature of maker1 for size 7"]


@pytest.mark.django_db(transaction=True)
def test_the_keys_of_witnesses_that_left_are_remembered(cast, settings):
    witnesses = cast(honest)
    gather_cosignatures(at=timezone.now())
    assert Cosignature.objects.count() == 3
    settings.LEDGER_POLICY_FILE.write_text(policy_text(*witnesses[:2], needed=2))
    submit_many(1, timezone.now())
    sequence_batch(at=timezone.now())
    gather_cosignatures(at=timezone.now())
    assert {key.key for key in WitnessKey.objects.all()} == {str(witness.key) for witness in witnesses}
    report = verify_log()
    assert (report.findings, report.cosignature_count) == ([], 5)


def test_the_migration_remembers_the_witnesses_that_there_are(now):
    for number, key in enumerate(("a", "b", "b", "")):
        WitnessMemory.objects.create(name=f"maker{number}", key=key, url="", asked_at=now if number else None)
    with connection.cursor() as cursor:
        cursor.execute(import_module("ledger.migrations.0008_audit_what_is_kept").REMEMBER)
    assert set(WitnessKey.objects.values_list("key", flat=True)) == {"a", "b"}
    assert WitnessKey.objects.get(key="b").named_at == now


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        ("UPDATE ledger_storedreceipt SET text = 'nonsense' WHERE index = 4", ""),
        ("UPDATE ledger_storedreceipt SET text = replace(text, 'index 4', 'index 5') WHERE index = 4",
         "It is the receipt of entry 5."),
        (("UPDATE ledger_storedreceipt SET text = (SELECT text FROM ledger_storedreceipt WHERE index = 5)"
          " WHERE index = 4"), "It is the receipt of entry 5."),
        ("UPDATE ledger_storedreceipt SET text = regexp_replace(text, 'extra [^\\n]*\\n', '') WHERE index = 4",
         "It does not carry the bytes of its entry."),
        ("UPDATE ledger_storedreceipt SET text = regexp_replace(text, '(index 4\\n)[^\\n]*\\n', '\\1') WHERE index = 4",
         None),
    ],
)  # fmt: skip
def test_names_a_receipt_that_proves_its_entry_no_more(log, sql, sentence):
    tamper(sql)
    ((subject, place, said),) = findings()
    assert (subject, place) == ("receipt", "receipt of entry 4")
    assert said == sentence or (said and not sentence)


def test_names_a_receipt_without_an_entry(log):
    tamper("UPDATE ledger_storedreceipt SET index = 90 WHERE index = 8")
    assert findings() == [("receipt", "receipt of entry 90", "There is no such entry.")]


def test_names_receipts_whose_checkpoint_is_not_signed_or_not_final(log):
    final, note = FinalCheckpoint.objects.get(size=9).note, signed(9)
    for index, checkpoint in ((7, note), (8, cosigned(note, (0,)))):
        text = Receipt.parse(StoredReceipt.objects.get(pk=index).text).text().replace(final, checkpoint)
        tamper("UPDATE ledger_storedreceipt SET text = %s WHERE index = %s", text, index)
    sentence = "Its cosignatures are no quorum."
    assert findings() == [("receipt", f"receipt of entry {index}", sentence) for index in (7, 8)]
    stranger = cosigned(note).replace(note.rpartition("\n\n")[2], "")
    kept = Receipt.parse(StoredReceipt.objects.get(pk=6).text)
    text = Receipt(6, kept.proof, stranger, kept.extra).text()
    tamper("UPDATE ledger_storedreceipt SET text = %s WHERE index = 6", text)
    assert "receipt of entry 6" in [place for _, place, _ in findings()]


def test_names_a_receipt_of_a_state_that_was_never_signed(log):
    tamper("DELETE FROM ledger_checkpoint WHERE size = 7")
    sentence = "No checkpoint of the size 7, to which it leads, is stored."
    assert ("receipt", "receipt of entry 3", sentence) in findings()


def test_names_a_final_checkpoint_beyond_the_head(log, now):
    FinalCheckpoint.objects.create(size=10, note=cosigned(signed(9)), final_at=now)
    assert findings() == [("final checkpoint", "final checkpoint of size 10", "It lies beyond the signed size of 9.")]


def audit(scope: str):
    request_audit(scope=scope, by=None, at=timezone.now())
    run = continue_audit(clock=timezone.now)
    run.refresh_from_db()
    return run


def test_goes_page_by_page_and_goes_on_where_it_broke_off(log, monkeypatch):
    monkeypatch.setattr(audit_kept, "PAGE", 4)
    tamper("UPDATE ledger_storedreceipt SET text = 'nonsense' WHERE index = 8")
    request_audit(scope="full", by=None, at=timezone.now())
    walk, pages = audit_kept.KeptWalk.walk_page, []

    def die_in_the_fourth(self, *args):
        pages.append((self.stage, self.after))
        if len(pages) == 4:
            raise SystemExit
        walk(self, *args)

    monkeypatch.setattr(audit_kept.KeptWalk, "walk_page", die_in_the_fourth)
    with pytest.raises(SystemExit):
        continue_audit(clock=timezone.now)
    run = continue_audit(clock=timezone.now)
    run.refresh_from_db()
    first = Cosignature.objects.order_by("pk")[3].pk
    assert pages == [(0, -1), (0, first), (1, -1), (1, 3), (1, 3), (1, 7)]
    assert (run.state, run.cosignature_count, run.receipt_count, run.entry_count) == ("bad", 6, 9, 9)
    assert [found["place"] for found in run.findings] == ["receipt of entry 8"]


def test_an_incremental_audit_looks_at_what_came_since_whatever_it_is_about(log, now):
    tamper("UPDATE ledger_cosignature SET received_at = now() - interval '1 day'")
    tamper("UPDATE ledger_storedreceipt SET frozen_at = now() - interval '1 day'")
    assert audit("full").state == "good"
    cosign(3, 2, timezone.now())
    run = audit("incremental")
    assert (run.state, run.cosignature_count, run.receipt_count) == ("good", 1, 0)
    cosign(7, 2, timezone.now(), of=9)
    run = audit("incremental")
    assert [found["place"] for found in run.findings] == ["cosignature of maker3 for size 7"]


def test_costs_two_statements_where_nothing_is_kept(now, django_assert_num_queries):
    walk, signatures = audit_kept.KeptWalk(), SignatureCheck()
    with django_assert_num_queries(2):
        while not walk.is_at_end:
            walk.walk_page(signatures, AuditReport(0, b""))
