from dataclasses import replace
from datetime import timedelta

import pytest

from ledger.errors import LogDamaged
from ledger.models import Checkpoint, Entry, FinalCheckpoint, StoredReceipt
from ledger.policy import LogPolicy, PolicyLog
from ledger.receipt_building import receipt_for
from ledger.receipts import Receipt, verify_receipt
from ledger.services import sequence_batch
from ledger.signing import log_verifier_key
from ledger.trust import final_size
from tests.builders_ledger import submit_many, tamper
from tests.builders_receipts import POLICY, cosigned, write_policy
from tests.ledger.test_concurrency import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _policy(settings, tmp_path):
    settings.LEDGER_POLICY_FILE = write_policy(tmp_path)


def append(now, *counts):
    for count in counts:
        submit_many(count, now)
        sequence_batch(at=now)


def finalise(size, now, witnesses=(0, 1)):
    joined = cosigned(Checkpoint.objects.get(size=size).note, witnesses)
    return FinalCheckpoint.objects.create(size=size, note=joined, final_at=now)


def verified(text):
    policy = replace(POLICY, logs=(PolicyLog(log_verifier_key()),))
    receipt = Receipt.parse(text)
    return receipt, verify_receipt(receipt, entry=receipt.extra, policy=policy)


def entry_at(index):
    return Entry.objects.get(pk=index)


def test_a_receipt_is_against_the_newest_signed_checkpoint_until_one_is_final(now):
    append(now, 3, 4)
    receipt, proven = verified(receipt_for(entry_at(1), at=now))
    assert (receipt.index, receipt.extra) == (1, bytes(entry_at(1).body))
    assert (proven.head.size, proven.is_final) == (7, False)
    append(now, 2)
    assert verified(receipt_for(entry_at(1), at=now))[1].head.size == 9
    assert not StoredReceipt.objects.exists()


def test_a_receipt_is_against_the_smallest_final_checkpoint_that_covers_the_entry(now):
    append(now, 3, 4, 2)
    for size in (9, 3, 7):
        finalise(size, now)
    for index, size in {0: 3, 2: 3, 3: 7, 6: 7, 7: 9, 8: 9}.items():
        proven = verified(receipt_for(entry_at(index), at=now))[1]
        assert (proven.head.size, proven.is_final) == (size, True)
    kept = StoredReceipt.objects.get(pk=3)
    assert (kept.text, kept.frozen_at) == (receipt_for(entry_at(3), at=now), now)


def test_a_final_receipt_never_changes(now):
    append(now, 3, 4)
    finalise(7, now)
    text = receipt_for(entry_at(1), at=now)
    finalise(3, now, witnesses=(1, 2))
    append(now, 2)
    finalise(9, now)
    assert receipt_for(entry_at(1), at=now + timedelta(days=1)) == text
    assert StoredReceipt.objects.get().frozen_at == now


def test_an_entry_beyond_the_final_size_has_a_receipt_that_is_not_kept(now):
    append(now, 3, 4)
    finalise(3, now)
    assert not verified(receipt_for(entry_at(3), at=now))[1].is_final
    assert not StoredReceipt.objects.exists()


def test_every_entry_across_tiles_has_a_receipt(now):
    append(now, 255, 3, 100)
    finalise(358, now)
    for index in (0, 1, 254, 255, 256, 257, 357):
        assert verified(receipt_for(entry_at(index), at=now))[1].is_final


def test_a_receipt_comes_from_the_stored_bytes_and_not_from_what_the_caller_holds(now):
    append(now, 3)
    finalise(3, now)
    changed = entry_at(1)
    changed.body = b'{"another":1}'
    assert verified(receipt_for(changed, at=now))[0].extra == bytes(entry_at(1).body)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_entry SET body = '{}' WHERE index = 1",
        "UPDATE ledger_tile SET hashes = decode(repeat('00', octet_length(hashes)), 'hex')",
        "DELETE FROM ledger_tile",
    ],
)
@pytest.mark.parametrize("is_final", [True, False])
def test_a_damaged_log_gives_no_receipt_and_keeps_none(now, sql, is_final):
    append(now, 3)
    if is_final:
        finalise(3, now)
    tamper(sql)
    with pytest.raises(LogDamaged, match="entry 1"):
        receipt_for(entry_at(1), at=now)
    assert not StoredReceipt.objects.exists()


@pytest.mark.parametrize("forge", ["another log's", "without a quorum", "of another size", "nonsense"])
def test_a_final_checkpoint_that_is_not_one_is_passed_over(now, forge):
    append(now, 3)
    note = Checkpoint.objects.get(size=3).note
    notes = {
        "another log's": cosigned(note).replace("— ", "— x", 1),
        "without a quorum": cosigned(note, [0]),
        "of another size": cosigned(note),
        "nonsense": "x",
    }
    size = 999 if forge == "of another size" else 3
    FinalCheckpoint.objects.create(size=size, note=notes[forge], final_at=now)
    assert final_size() == 0
    assert not verified(receipt_for(entry_at(1), at=now))[1].is_final
    assert not StoredReceipt.objects.exists()


def test_a_kept_receipt_that_somebody_else_wrote_is_not_handed_out(now):
    append(now, 3)
    finalise(3, now)
    good = Receipt.parse(receipt_for(entry_at(0), at=now))
    for index, forged in ((1, "forged"), (2, good.text())):
        StoredReceipt.objects.create(index=index, text=forged, frozen_at=now)
        with pytest.raises(LogDamaged, match=f"entry {index}"):
            receipt_for(entry_at(index), at=now)


def test_a_kept_receipt_outlives_the_loss_of_tiles(now):
    append(now, 3)
    finalise(3, now)
    text = receipt_for(entry_at(1), at=now)
    tamper("DELETE FROM ledger_tile")
    assert receipt_for(entry_at(1), at=now) == text


def test_the_policy_that_is_served_accepts_the_receipt(now):
    append(now, 3)
    policy = LogPolicy((PolicyLog(log_verifier_key()),))
    receipt = Receipt.parse(receipt_for(entry_at(2), at=now))
    assert verify_receipt(receipt, entry=receipt.extra, policy=policy).head.size == 3


@pytest.mark.django_db(transaction=True)
def test_many_at_once_get_the_same_bytes_although_another_checkpoint_becomes_final_meanwhile(now):
    append(now, 3, 4)
    finalise(7, now)
    entry = entry_at(1)
    acts = [lambda: receipt_for(entry, at=now)] * 7 + [lambda: finalise(3, now) and receipt_for(entry, at=now)]
    texts = at_once(acts)
    assert {type(text) for text in texts} == {str}
    assert set(texts) == {StoredReceipt.objects.get().text}
    assert verified(texts[0])[1].is_final
