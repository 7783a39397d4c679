"""What is told today: a sale, its first read, the end of access, and a payment that failed."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from marketplace.access.services import authorise
from marketplace.accounts.models import User
from marketplace.delivery.models import Read
from marketplace.delivery.services import record_read
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.listings.services import withdraw_listing
from marketplace.notices.models import Notice
from marketplace.notices.words import words_of
from marketplace.purchases.errors import PriceChanged
from marketplace.purchases.models import Purchase
from marketplace.purchases.reminding import AHEAD, remind_of_ends
from marketplace.purchases.services import bill_usage, buy_listing, count_rows, start_clock, stop_metered
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.services import settle_top_up, start_top_up
from tests.builders import EURO, make_listing
from tests.builders_delivery import buy, buy_token
from tests.builders_money import at_once, fill_wallet

pytestmark = pytest.mark.django_db


@pytest.fixture
def listing(sara: User, ben: User, now: datetime) -> Listing:
    fill_wallet(ben, 20, now)
    return make_listing(sara, now)


def told(user: User) -> list[tuple[str, dict[str, Any]]]:
    return list(Notice.objects.for_person(user).order_by("id").values_list("kind", "facts"))


def test_a_sale_is_told_to_the_seller(listing: Listing, sara: User, ben: User, now: datetime) -> None:
    purchase = buy(listing, ben, now)
    facts = {
        "purchase": str(purchase.public_id),
        "listing": str(listing.public_id),
        "title": listing.title,
        "price_micros": 5 * EURO,
        "currency": "EUR",
        "sold_as": "paid",
    }
    assert (told(sara), told(ben)) == ([("sale", facts)], [])


def test_the_seller_is_told_what_was_paid_and_what_will_be(sara: User, ben: User, now: datetime) -> None:
    """The start of pay by use and a trial are not gifts, and a bill is no new buyer."""
    metered, trial = PlanTerms("metered", micros_per_1000_rows=EURO), PlanTerms("trial", trial_rows=10)
    fill_wallet(ben, 20, now)
    listing = make_listing(sara, now, plans=(metered, trial, PlanTerms("free")))
    bought = {
        plan.kind: buy_listing(listing=listing, plan=plan, buyer=ben, quoted_micros=0, at=now)
        for plan in listing.plans.all()
    }
    count_rows(purchase=bought["metered"], row_count=2_000, at=now)
    stop_metered(purchase=bought["metered"], at=now + timedelta(minutes=1))
    bill_usage(at=now + timedelta(minutes=2))
    subjects = {notice.facts["sold_as"]: words_of(notice).subject for notice in Notice.objects.for_person(sara)}
    assert subjects == {
        "metered": f"Somebody bought “{listing.title}” and pays by use",
        "trial": f"Somebody tries “{listing.title}”",
        "free": f"Somebody took “{listing.title}” for free",
        "bill": f"The use of “{listing.title}” is paid: EUR\N{NO-BREAK SPACE}2.00",
    }


def test_a_repeated_request_tells_once(listing: Listing, sara: User, ben: User, now: datetime) -> None:
    key = uuid4()
    for _ in range(2):
        buy_listing(
            listing=listing,
            plan=listing.plans.get(),
            buyer=ben,
            quoted_micros=5 * EURO,
            at=now,
            idempotency_key=key,
        )
    assert len(told(sara)) == 1


def test_a_refused_purchase_tells_nobody(listing: Listing, sara: User, mallory: User, now: datetime) -> None:
    offer: dict[str, Any] = {"listing": listing, "plan": listing.plans.get(), "buyer": mallory, "at": now}
    with pytest.raises(PriceChanged):
        buy_listing(**offer, quoted_micros=4 * EURO)
    with pytest.raises(InsufficientFunds):
        buy_listing(**offer, quoted_micros=5 * EURO)
    assert told(sara) == []


def test_only_the_first_read_is_told(listing: Listing, sara: User, ben: User, now: datetime) -> None:
    token, text = buy_token(listing, ben, now)
    Notice.objects.all().delete()
    for hours in (1, 2):
        at = now + timedelta(hours=hours)
        record_read(grant=authorise(token=text, at=at), door=Read.Door.DELTA_SHARING, files=[], at=at)
    assert told(sara) == [("first_read", {"purchase": str(token.purchase.public_id), "title": listing.title})]
    assert Notice.objects.get().at == now + timedelta(hours=1)


@pytest.mark.django_db(transaction=True)
def test_eight_clients_that_read_at_once_are_one_first_read(
    listing: Listing, sara: User, ben: User, now: datetime
) -> None:
    purchase = buy(listing, ben, now)
    copies = [Purchase.objects.get(pk=purchase.pk) for _ in range(8)]
    answers = at_once([partial(start_clock, purchase=copy, at=now) for copy in copies])
    assert answers == [True] * 8
    assert [kind for kind, _ in told(sara)] == ["sale", "first_read"]


def test_an_end_of_access_is_told_once_a_week_ahead(listing: Listing, ben: User, now: datetime) -> None:
    purchase = buy(listing, ben, now)
    end = purchase.access_until
    assert remind_of_ends(at=end - AHEAD - timedelta(seconds=1)) == 0
    for days in range(7):
        assert remind_of_ends(at=end - AHEAD + timedelta(days=days)) == 1
    assert remind_of_ends(at=end) == 0
    [(kind, facts)] = told(ben)
    assert (kind, facts["purchase"], facts["title"]) == ("expiry", str(purchase.public_id), listing.title)
    assert datetime.fromisoformat(facts["until"]) == end
    later = end + timedelta(days=30)
    Purchase.objects.filter(pk=purchase.pk).update(access_until=later)
    remind_of_ends(at=later - AHEAD)
    assert len(told(ben)) == 2


def test_no_end_is_told_of_what_was_short_or_is_withdrawn(listing: Listing, ben: User, now: datetime) -> None:
    purchase = buy(listing, ben, now)
    Purchase.objects.update(purchased_at=purchase.access_until - timedelta(days=13))
    remind_of_ends(at=purchase.access_until - timedelta(days=1))
    Purchase.objects.update(purchased_at=now)
    withdraw_listing(listing=listing, at=now)
    assert remind_of_ends(at=purchase.access_until - timedelta(days=1)) == 0
    assert told(ben) == []


def test_a_declined_top_up_is_told_once_and_a_paid_one_never(ben: User, now: datetime) -> None:
    declined, paid = (start_top_up(user=ben, amount_micros=25 * EURO, at=now) for _ in range(2))
    for _ in range(2):
        settle_top_up(top_up=declined, outcome="decline", at=now)
        settle_top_up(top_up=paid, outcome="pay", at=now)
    assert told(ben) == [("payment_failure", {"purchase": "", "title": "", "reason": "declined"})]
