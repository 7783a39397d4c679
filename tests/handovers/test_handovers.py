"""A device goes to another owner: offered with a code, taken over in one transaction."""

import json
from datetime import timedelta

import pytest
import time_machine

from devices.models import Device
from devices.readings import read_readings
from devices.services import resolve_batches
from ledger.models import OutboxRow
from ledger.reconciliation import reconcile
from ledger.services import commit_subject, sequence_batch
from marketplace.access.errors import ConsentWithdrawn
from marketplace.access.services import authorise, issue_token
from marketplace.accounts.errors import AccountErased
from marketplace.consents.models import Consent
from marketplace.delivery.services import preview_rows, refresh_table
from marketplace.erasure.services import erase_account
from marketplace.handovers.errors import DeviceNotInUse, NotYourself, OfferOver, OfferUnknown
from marketplace.handovers.models import OFFER_STANDS, HandoverOffer
from marketplace.handovers.services import find_offer, forget_expired_offers, offer_device, withdraw_offer
from marketplace.handovers.tasks import forget_expired_offers_task
from marketplace.notices.models import Notice
from marketplace.notices.services import words_of
from marketplace.purchases.errors import ListingNotForSale
from marketplace.purchases.models import Refund
from marketplace.purchases.services import buy_listing, start_clock
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO, make_consent, make_device, make_listing
from tests.builders_delivery import make_signing_device, minutes
from tests.conftest import make_person
from tests.handovers.conftest import PLANS, offered, take_over

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def buy(listing, buyer, at, kind="period"):
    plan = listing.plans.get(kind=kind)
    return buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=plan.price_micros, at=at)


def test_the_new_owner_takes_over_and_what_was_allowed_ends_with_refunds(
    station, listing, sara, ben, rich_mallory, now
):
    purchase = buy(listing, rich_mallory, now)
    sequence_batch(at=now)
    start_clock(purchase=purchase, at=now)
    _, secret = issue_token(purchase=purchase, at=now)
    at = now + 10 * DAY
    taken = take_over(ben, offered(station.device, ben, at), at)
    before = Device.objects.get(pk=station.device.pk)
    assert (taken.owner, taken.name, taken.country, before.owner) == (ben, "Garage", "FR", sara)
    listing.consent.refresh_from_db()
    assert listing.consent.withdrawn_at == at
    with pytest.raises(ConsentWithdrawn):
        authorise(token=secret, at=at)
    with pytest.raises(ListingNotForSale):
        buy(listing, rich_mallory, at)
    refund = Refund.objects.get()
    assert (refund.amount_micros, refund.reason, refund.purchase) == (8 * EURO, "consent_withdrawn", purchase)
    assert balance_micros(account_of(rich_mallory)) == 46 * EURO
    assert unsound_accounts() == []


def test_the_log_tells_it_without_a_name(station, sara, ben, now):
    taken = take_over(ben, offered(station.device, ben, now), now)
    handles = {
        "owner": commit_subject(kind="person", subject_id=sara.public_id),
        "new_owner": commit_subject(kind="person", subject_id=ben.public_id),
        "device": commit_subject(kind="device", subject_id=station.device.public_id),
        "new_device": commit_subject(kind="device", subject_id=taken.public_id),
    }
    entry = json.loads(bytes(OutboxRow.objects.get(kind="device.handed_over").body))
    assert {name: entry[name] for name in handles} == handles
    assert entry["refs"] == [handles["device"]]
    enrolled = json.loads(bytes(OutboxRow.objects.get(kind="device.enrolled").body))
    assert (enrolled["owner"], enrolled["device"]) == (handles["new_owner"], handles["new_device"])
    assert ben.email not in str(entry)


def difference():
    return next(each for each in reconcile().differences if each.kind == "device.handed_over")


def test_the_log_and_the_rows_are_held_against_each_other(station, sara, ben, now):
    taken = take_over(ben, offered(station.device, ben, now), now)
    sequence_batch(at=now)
    found = {each.kind: (each.rows, each.entries) for each in reconcile().differences}
    # The device of these tests was enrolled without a record.
    assert found.pop("device.enrolled") == ([str(station.device.public_id)], [])
    assert set(map(str, found.values())) == {"([], [])"}
    erase_account(user=sara, at=now)
    assert (difference().rows, difference().entries, difference().erased_count) == ([], [], 1)
    Device.objects.filter(pk=taken.pk).update(handed_over_at=now)
    assert difference().rows == [str(taken.public_id)]


def test_both_and_the_buyers_are_told(station, listing, sara, ben, rich_mallory, now):
    buy(listing, rich_mallory, now)
    taken = take_over(ben, offered(station.device, ben, now), now)
    told = {(notice.user.email.split("@")[0], notice.kind): notice for notice in Notice.objects.exclude(kind="sale")}
    assert set(told) == {
        ("sara", "handover"),
        ("ben", "handover"),
        ("sara", "consent_change"),
        ("mallory", "withdrawal"),
    } | ({("mallory", "refund")} & set(told))
    assert told["sara", "handover"].facts == {
        "device": str(station.device.public_id),
        "title": "Roof",
        "step": "given",
    }
    assert told["ben", "handover"].facts["device"] == str(taken.public_id)
    assert words_of(told["ben", "handover"]).subject == "You took over a device: Garage"
    assert words_of(told["sara", "handover"]).subject == "You handed over a device: Roof"


def test_readings_of_before_stay_with_the_one_and_those_of_after_with_the_other(station, sara, ben, now):
    taken = take_over(ben, offered(station.device, ben, now), now)
    later = now + 2 * HOUR
    station.send([*minutes(now - HOUR, 60), *minutes(now, 60)], later)
    resolve_batches(device=taken, at=later)
    before = Device.objects.get(pk=station.device.pk)
    assert (len(read_readings(before)), len(read_readings(taken))) == (120, 60)
    history = make_consent(sara, later, devices=[before])
    future = make_consent(ben, later, devices=[taken])
    assert max(row["time"] for row in preview_rows(consent=history, limit=999, at=later)) < now
    assert min(row["time"] for row in preview_rows(consent=future, limit=999, at=later)) >= now


def test_the_former_owner_sells_what_was_before_and_nothing_else(station, sara, ben, rich_mallory, now):
    taken = take_over(ben, offered(station.device, ben, now), now)
    station.send([*minutes(now - HOUR, 60), *minutes(now, 60)], now + 2 * HOUR)
    resolve_batches(device=taken, at=now + 2 * HOUR)
    before = Device.objects.get(pk=station.device.pk)
    later = now + 3 * HOUR
    consent = make_consent(sara, later, devices=[before])
    sold = make_listing(sara, later, consent=consent, plans=PLANS)
    table = refresh_table(listing=sold, at=later)
    assert sum(table.segments.current().values_list("row_count", flat=True)) == 120
    assert max(table.segments.current().values_list("last_at", flat=True)) == now - timedelta(minutes=1)


def test_a_consent_over_several_devices_ends_whole(station, sara, ben, now):
    other = make_device(sara, now)
    both = make_consent(sara, now, devices=[station.device, other])
    apart = make_consent(sara, now, devices=[other])
    take_over(ben, offered(station.device, ben, now), now)
    assert list(Consent.objects.filter(withdrawn_at=None)) == [apart]
    assert both.pk != apart.pk


def test_taking_over_again_changes_nothing(station, ben, mallory, now):
    code = offered(station.device, ben, now)
    taken = take_over(ben, code, now)
    rows = OutboxRow.objects.count()
    assert take_over(ben, code, now + HOUR) == taken
    for person in (mallory, station.device.owner):
        with pytest.raises(OfferOver):
            take_over(person, code, now)
    assert (OutboxRow.objects.count(), Device.objects.count()) == (rows, 2)


def test_a_code_is_read_as_people_write_it(station, ben, now):
    code = offered(station.device, ben, now)
    written = f" {code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')} "
    assert find_offer(user=ben, code=written, at=now).device == station.device


@pytest.mark.parametrize("trouble", ["stranger", "guess", "late", "withdrawn", "replaced", "self", "unproven"])
def test_refuses_and_writes_nothing(station, listing, sara, ben, mallory, now, trouble):
    code, user, at = offered(station.device, ben, now), ben, now
    error: type[Exception] = OfferUnknown
    if trouble == "stranger":
        user = mallory
    elif trouble == "guess":
        code = "0000-0000-0000"
    elif trouble == "late":
        at, error = now + timedelta(hours=72), OfferOver
    elif trouble == "withdrawn":
        withdraw_offer(device=station.device, at=now)
        error = OfferOver
    elif trouble == "replaced":
        offered(station.device, mallory, now)
        error = OfferOver
    elif trouble == "self":
        user, error = sara, NotYourself
    else:
        ben.emailaddress_set.update(verified=False)
    entries = OutboxRow.objects.count()
    with pytest.raises(error):
        find_offer(user=user, code=code, at=at)
    with pytest.raises(error):
        take_over(user, code, at)
    assert (Device.objects.count(), OutboxRow.objects.count(), Notice.objects.count()) == (1, entries, 0)
    listing.consent.refresh_from_db()
    assert listing.consent.withdrawn_at is None


def test_offers_only_what_is_in_use_and_never_to_oneself(station, sara, ben, now):
    with pytest.raises(NotYourself):
        offer_device(device=station.device, email=sara.email.upper(), at=now)
    take_over(ben, offered(station.device, ben, now), now)
    with pytest.raises(DeviceNotInUse):
        offered(station.device, ben, now)
    assert HandoverOffer.objects.count() == 1


def test_the_address_is_kept_no_longer_than_the_offer(station, ben, mallory, now):
    offered(station.device, mallory, now)
    take_over(ben, offered(station.device, ben, now), now)
    assert set(HandoverOffer.objects.values_list("email", flat=True)) == {""}


def test_the_address_of_an_offer_that_ran_out_is_forgotten(station, ben, now):
    code = offered(station.device, ben, now)
    assert forget_expired_offers(at=now + OFFER_STANDS - timedelta(seconds=1)) == 0
    assert HandoverOffer.objects.get().email == ben.email
    with time_machine.travel(now + OFFER_STANDS):
        forget_expired_offers_task()
    assert forget_expired_offers(at=now + OFFER_STANDS) == 0
    assert HandoverOffer.objects.get().email == ""
    with pytest.raises(OfferOver):
        take_over(ben, code, now + OFFER_STANDS)
    take_over(ben, offered(station.device, ben, now + OFFER_STANDS), now + OFFER_STANDS)


def test_it_goes_back_the_same_way(station, sara, ben, now):
    taken = take_over(ben, offered(station.device, ben, now), now)
    back = take_over(sara, offered(taken, sara, now + HOUR), now + HOUR)
    station.send(minutes(now - HOUR, 180), now + 3 * HOUR)
    for row in (back, taken, station.device):
        resolve_batches(device=row, at=now + 3 * HOUR)
    rows = [Device.objects.get(pk=row.pk) for row in (station.device, taken, back)]
    assert [len(read_readings(row)) for row in rows] == [120, 60, 60]
    assert [row.owner for row in rows] == [sara, ben, sara]


@pytest.mark.parametrize("leaver", ["sara", "ben"])
def test_whoever_erases_the_account_takes_nothing_of_the_other(request, station, sara, ben, now, leaver):
    taken = take_over(ben, offered(station.device, ben, now), now)
    erase_account(user=request.getfixturevalue(leaver), at=now)
    left = Device.objects.get()
    assert left.pk == (taken if leaver == "sara" else station.device).pk


def test_an_erasure_forgets_what_was_offered_to_the_person(station, ben, now):
    code = offered(station.device, ben, now)
    erase_account(user=ben, at=now)
    assert HandoverOffer.objects.get().email == ""
    with pytest.raises((OfferOver, AccountErased)):
        take_over(make_person("other"), code, now)


def test_a_consent_over_another_device_stands(station, listing, sara, ben, now):
    second = make_signing_device(sara, now, "Cellar")
    take_over(ben, offered(second.device, ben, now), now)
    listing.consent.refresh_from_db()
    assert listing.consent.withdrawn_at is None
