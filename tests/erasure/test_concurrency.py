"""Erasures against everything else at the same time, on real connections."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from devices.errors import BatchError, KeyUnknown
from devices.models import Batch, Device
from devices.services import resolve_batches
from ledger.models import CommitmentSecret, OutboxRow
from ledger.services import sequence_batch, verify_log
from marketplace.access.services import issue_token
from marketplace.accounts.errors import AccountErased
from marketplace.accounts.models import User
from marketplace.accounts.services import create_api_key
from marketplace.consents.models import Consent
from marketplace.delivery.models import Segment
from marketplace.delivery.services import refresh_table
from marketplace.erasure.errors import ErasureError, PurchaseUnderWay
from marketplace.erasure.models import Erasure
from marketplace.erasure.services import erase_account
from marketplace.listings.models import Listing
from marketplace.purchases.errors import ListingNotForSale, PurchaseError
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing
from tests.builders import make_consent, make_listing
from tests.builders_delivery import FREE, buy, make_signing_device, make_stocked_listing, minutes
from tests.builders_money import at_once
from tests.conftest import make_person

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = range(4)


def eraser(user: User, at: datetime) -> Callable[[], User]:
    fresh = User.objects.get(pk=user.pk)
    return lambda: erase_account(user=fresh, at=at)


def buyer_of(listing: Listing, buyer: User, at: datetime) -> Callable[[], Purchase]:
    plan = listing.plans.get()
    return lambda: buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=0, at=at)


def assert_gone(user: User) -> None:
    row = User.objects.get(pk=user.pk)
    assert row.erased_at is not None
    assert not CommitmentSecret.objects.filter(subject_id=user.public_id).exists()
    assert not Device.objects.filter(owner=row).exists()
    assert not Consent.objects.filter(owner=row, withdrawn_at=None).exists()


@pytest.mark.parametrize("number", ROUNDS)
def test_a_sale_is_either_before_and_holds_the_erasure_off_or_refused(sara: User, now: datetime, number: int) -> None:
    listing = make_listing(sara, now, plans=[FREE])
    buyers = [make_person(f"buyer-{number}") for number in range(3)]
    *sales, erased = at_once([*(buyer_of(listing, one, now) for one in buyers), eraser(sara, now)])
    assert {type(answer) for answer in sales} <= {Purchase, ListingNotForSale}
    if isinstance(erased, User):
        assert not Purchase.objects.exists()
        assert_gone(sara)
    else:
        assert isinstance(erased, PurchaseUnderWay)
        assert Purchase.objects.exists()
        assert not Erasure.objects.exists()


@pytest.mark.parametrize("number", ROUNDS)
def test_a_purchase_of_the_person_is_either_before_or_refused(
    sara: User, ben: User, now: datetime, number: int
) -> None:
    listing = make_listing(ben, now, plans=[FREE])
    bought, erased = at_once([buyer_of(listing, sara, now), eraser(sara, now)])
    if isinstance(erased, User):
        assert isinstance(bought, AccountErased)
        assert not Purchase.objects.exists()
        assert_gone(sara)
    else:
        assert isinstance(erased, PurchaseUnderWay)
        assert isinstance(bought, Purchase)


@pytest.mark.parametrize("number", ROUNDS)
def test_no_upload_survives(sara: User, now: datetime, number: int) -> None:
    sender = make_signing_device(sara, now)
    sender.send(minutes(now - timedelta(hours=1), 3), now)
    later = now + timedelta(seconds=number)

    def upload() -> None:
        for step in range(20):
            sender.send(minutes(now - timedelta(hours=step + 2), 3), later)

    def upload_new_measure() -> None:
        other = type(sender)(sender.device, sender.key, 1000)
        for _ in range(20):
            other.send(minutes(now - timedelta(hours=1), 3, name="humidity"), later)

    def resolve() -> None:
        for _ in range(5):
            resolve_batches(device=sender.device, at=later)

    *outcomes, erased = at_once([upload, upload_new_measure, resolve, eraser(sara, later)])
    assert isinstance(erased, User)
    assert {type(outcome) for outcome in outcomes} <= {KeyUnknown, type(None)}
    assert not Batch.objects.exists()
    assert_gone(sara)
    with pytest.raises(BatchError):
        sender.send(minutes(now, 1), later)


@pytest.mark.parametrize("number", ROUNDS)
def test_no_act_of_the_person_survives_or_brings_a_key_back(sara: User, ben: User, now: datetime, number: int) -> None:
    sender, listing = make_stocked_listing(sara, now)
    other = make_listing(ben, now, plans=[FREE])
    purchase = buy(other, sara, now)
    acts: list[Callable[[], Any]] = [
        lambda: make_consent(sara, now, devices=[sender.device]),
        lambda: issue_token(purchase=purchase, at=now),
        lambda: create_api_key(user=sara, name="late", at=now),
        lambda: refresh_table(listing=listing, at=now),
        eraser(sara, now),
    ]
    *_, erased = at_once(acts)
    assert isinstance(erased, User)
    assert_gone(sara)
    assert not Segment.objects.filter(table__listing=listing).exists()
    assert not sara.api_keys.exists()
    sequence_batch(at=now)
    assert verify_log().is_good


def test_two_people_who_bought_from_each_other_leave_at_once(sara: User, ben: User, now: datetime) -> None:
    for seller, buyer in ((sara, ben), (ben, sara)):
        issue_token(purchase=buy(make_listing(seller, now, plans=[FREE]), buyer, now), at=now)
    assert [type(answer) for answer in at_once([eraser(sara, now), eraser(ben, now)])] == [User, User]
    assert_gone(sara)
    assert_gone(ben)


def test_eight_erasures_of_one_account_are_one(sara: User, now: datetime) -> None:
    make_stocked_listing(sara, now)
    answers = at_once([eraser(sara, now)] * 8)
    assert {type(answer) for answer in answers} == {User}
    assert (Erasure.objects.count(), OutboxRow.objects.filter(kind="erasure.done").count()) == (1, 1)


def test_refusals_have_one_root() -> None:
    assert issubclass(PurchaseUnderWay, ErasureError)
    assert not issubclass(PurchaseUnderWay, PurchaseError)
