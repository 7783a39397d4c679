"""Business rows against their entries, per kind and in both directions, before and after an account was erased."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse

from devices.models import Device
from devices.services import erase_devices
from ledger.models import CommitmentSecret, Entry, OutboxRow
from ledger.reconciliation import kinds_with_source, kinds_without_source, reconcile
from ledger.services import sequence_batch
from marketplace.access.services import revoke_token
from marketplace.accounts.services import retire_owned_device
from marketplace.consents.models import ConsentDevice
from marketplace.consents.services import Terms, narrow_consent
from marketplace.delivery.models import Read
from marketplace.delivery.reads.summarising import summarise_reads
from marketplace.disputes.apps import ENTRY_COLUMNS
from marketplace.disputes.services import answer_dispute, close_dispute, decide_dispute, open_dispute
from marketplace.erasure.services import erase_account
from marketplace.listings.entries import PlanTerms
from marketplace.listings.services import make_offer
from marketplace.purchases.services import start_clock, withdraw_consent_with_refunds, withdraw_listing_with_refunds
from tests.builders import EURO, make_consent, make_listing
from tests.builders_delivery import buy_token, day_start, minutes
from tests.builders_ledger import submit, tamper
from tests.builders_money import fill_wallet
from tests.conftest import make_person
from tests.erasure.people import enrol

pytestmark = pytest.mark.django_db
NOBODY = "00000000-0000-4000-8000-000000000000"
# The rows that name their entries, and where.
NAMED = {
    "access.granted": ("access_accesstoken", "entry_id"),
    "access.revoked": ("access_accesstoken", "revocation_entry_id"),
    "consent.granted": ("consents_consent", "entry_id"),
    "consent.narrowed": ("consents_consentchange", "entry_id"),
    "consent.withdrawn": ("consents_consent", "withdrawal_entry_id"),
    **{kind: ("disputes_dispute", column) for kind, column in ENTRY_COLUMNS.items()},
    "listing.published": ("listings_listingrevision", "entry_id"),
    "listing.withdrawn": ("listings_listing", "withdrawal_entry_id"),
    "purchase.recorded": ("purchases_purchase", "entry_id"),
    "refund.made": ("purchases_refund", "entry_id"),
    "delivery.summary": ("delivery_readsummary", "entry_id"),
    "offer.made": ("listings_plan", "entry_id"),
    "purchase.changed": ("purchases_purchasechange", "entry_id"),
}
DEVICES = ("device.enrolled", "device.retired")
# Tested in tests/handovers: it takes a second owner.
HANDED_OVER = "device.handed_over"
# Tested in tests/delivery: it takes a table of computed rows.
DERIVED = "delivery.derived"
# There, too: it takes a table that was recorded.
SEGMENTS = "delivery.segments"
# Tested in tests/erasure.
DELETED = "device.readings_deleted"


def measuring(owner, at) -> Device:
    sender = enrol(owner, at, "Rooftop")
    sender.send(minutes(day_start(at, 1), 3), at)
    return sender.device


@pytest.fixture
def market(sara, ben, now):
    """One row of each kind; sara sells to ben and ends everything."""
    device = measuring(sara, now)
    consent = make_consent(sara, now, devices=[device])
    listing = make_listing(sara, now, consent=consent, plans=[PlanTerms("period", 30 * EURO, 30 * 86_400)])
    fill_wallet(ben, 100, now)
    token, _ = buy_token(listing, ben, now)
    start_clock(purchase=token.purchase, at=now)
    read = {"token": token, "door": Read.Door.DOWNLOAD, "at": now, "row_count": 3, "byte_count": 99}
    Read.objects.create(purchase=token.purchase, **read)
    summarise_reads(at=now + timedelta(days=1))
    terms = PlanTerms("one_off", EURO)
    make_offer(listing=listing, terms=terms, email=ben.email, until=now + timedelta(days=1), at=now)
    argue(token.purchase, now)
    narrow_consent(consent=consent, terms=replace(Terms.of(consent), resolution="1h"), at=now)
    later = now + timedelta(days=1)
    revoke_token(token=token, at=later)
    withdraw_listing_with_refunds(listing=listing, at=later)
    withdraw_consent_with_refunds(consent=consent, at=later)
    retire_owned_device(device=device, at=later)
    sequence_batch(at=later)


def argue(purchase, at):
    """One dispute that is taken back, and one that goes to its end."""
    close_dispute(dispute=open_dispute(purchase=purchase, reason="other", text="Gaps.", at=at), at=at)
    dispute = open_dispute(purchase=purchase, reason="other", text="Gaps again.", at=at)
    answer_dispute(dispute=dispute, text="A few.", at=at)
    operator = make_person("operator")
    decide_dispute(dispute=dispute, by=operator, refund_micros=EURO, ends_access=False, text="A few.", at=at)


def difference(kind: str):
    return next(each for each in reconcile().differences if each.kind == kind)


def numbers(kind: str) -> tuple[int, int, int]:
    found = difference(kind)
    return found.row_count, found.entry_count, found.erased_count


def test_every_kind_is_compared_and_tested_here():
    assert kinds_with_source() == sorted([*NAMED, *DEVICES, HANDED_OVER, DERIVED, SEGMENTS, DELETED])


def test_rows_and_entries_agree(market, now):
    kinds = set(Entry.objects.values_list("kind", flat=True))
    assert kinds == {*NAMED, *DEVICES}
    assert {kind: numbers(kind) for kind in kinds} == dict.fromkeys(kinds, (0, 0, 0))
    submit(now, kind="key.rotated")
    sequence_batch(at=now)
    assert kinds_without_source() == ["key.rotated"]


def test_what_waits_is_no_difference(sara, now):
    consent = make_consent(sara, now, devices=[measuring(sara, now)])
    assert OutboxRow.objects.count() == 2
    for kind in ("consent.granted", "device.enrolled"):
        assert numbers(kind) == (0, 0, 0)
    assert consent.entry_id not in {row for each in reconcile().differences for row in each.rows}


@pytest.mark.parametrize("kind", NAMED)
def test_names_a_row_without_an_entry_and_an_entry_without_a_row(market, auditor, kind):
    table, column = NAMED[kind]
    index = Entry.objects.filter(kind=kind).earliest("index").index
    entry = f"(SELECT entry_id FROM ledger_entry WHERE index = {index})"
    tamper("SET CONSTRAINTS ALL IMMEDIATE")
    tamper(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    tamper(f"UPDATE {table} SET {column} = '{NOBODY}' WHERE {column} = {entry}")
    found = difference(kind)
    assert (found.row_count, found.rows) == (1, [NOBODY])
    assert (found.entry_count, found.entries, found.erased_count) == (1, [index], 0)
    text = auditor.get(reverse("admin:ledger_reconciliation")).content.decode()
    assert f"entry {index}</a>" in text
    others = set(kinds_with_source()) - {kind}
    assert {other: numbers(other) for other in others} == dict.fromkeys(others, (0, 0, 0))


@pytest.mark.parametrize("kind", DEVICES)
def test_names_a_device_without_an_entry(market, kind):
    device = Device.objects.get()
    refs = f"refs = refs || '{{other}}' WHERE kind = '{kind}'"
    tamper(f"UPDATE ledger_entry SET {refs}")
    found = difference(kind)
    assert (found.rows, found.entries) == ([str(device.public_id)], [Entry.objects.get(kind=kind).index])


def test_names_devices_whose_handle_nobody_can_make_any_more(market):
    CommitmentSecret.objects.filter(subject_kind="device").delete()
    row = str(Device.objects.get().public_id)
    for kind in DEVICES:
        found = difference(kind)
        assert (found.rows, found.entry_count, found.erased_count) == ([row], 1, 0)


def remove_device(device: Device) -> None:
    """With everything that hangs on it, and without a word to the log."""
    ConsentDevice.objects.filter(device=device).delete()
    erase_devices(devices=[device])


def test_names_the_entries_of_a_device_that_was_removed_by_hand(market):
    remove_device(Device.objects.get())
    for kind in DEVICES:
        assert numbers(kind) == (0, 1, 0)
    assert reconcile().leaver_count == 0


def test_what_an_erasure_leaves_is_counted_apart(sara, ben, now, auditor):
    make_listing(sara, now, consent=make_consent(sara, now, devices=[measuring(sara, now)]))
    enrol(sara, now, "Cellar")
    other = enrol(ben, now, "Balcony").device
    erase_account(user=sara, at=now + timedelta(days=1))
    sequence_batch(at=now + timedelta(days=1))
    found = reconcile()
    expected = {kind: (0, 0, 2 if kind in DEVICES else 0) for kind in kinds_with_source()}
    assert {each.kind: (each.row_count, each.entry_count, each.erased_count) for each in found.differences} == expected
    assert (found.leaver_count, found.erasure_count, found.is_explained) == (1, 1, True)
    assert kinds_without_source() == []
    text = auditor.get(reverse("admin:ledger_reconciliation")).content.decode()
    assert "1 erasure of accounts is recorded" in text
    # No list of them: it would tell which entries are those of people who left.
    assert "/admin/ledger/entry/" not in text.partition("<tbody>")[2].partition("</tbody>")[0]

    # A real one beside them is still told apart.
    remove_device(other)
    assert numbers("device.enrolled") == (0, 1, 2)
    assert reconcile().is_explained

    # Who deletes the keys as well, as an erasure does, lacks the record of one.
    CommitmentSecret.objects.filter(subject_kind="device", subject_id=other.public_id).delete()
    assert numbers("device.enrolled") == (0, 1, 2)
    CommitmentSecret.objects.filter(subject_kind="person", subject_id=ben.public_id).delete()
    assert numbers("device.enrolled") == (0, 0, 3)
    assert not reconcile().is_explained
    text = auditor.get(reverse("admin:ledger_reconciliation")).content.decode()
    assert "about 2 people whose keys are gone, more than were erased" in text


def test_the_stranger_gets_nothing(client, ben):
    ben.is_staff = True
    ben.save()
    client.force_login(ben)
    assert client.get(reverse("admin:ledger_reconciliation")).status_code == 403
