"""A withdrawal gives back what was paid for time that nobody can use. All of it or nothing."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction

from ledger.models import OutboxRow
from ledger.services import commit_subject
from marketplace.listings.errors import ListingNotPublished
from marketplace.notices.models import Notice
from marketplace.purchases.errors import ListingNotForSale
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.services import (
    money_outlook,
    release_earnings,
    start_clock,
    withdraw_consent_with_refunds,
    withdraw_listing_with_refunds,
)
from marketplace.purchases.withdrawing import MoneyOutlook
from marketplace.wallet.models import Transfer
from marketplace.wallet.services import account_of, balance_micros, market_account, unsound_accounts
from tests.builders import EURO, make_draft
from tests.builders_money import fill_wallet
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def sums(sara, ben):
    """Ben's wallet; sara's escrow and earnings; the market's fee."""

    def look() -> tuple[int, int, int, int]:
        assert unsound_accounts() == []
        on_hold, earned = account_of(sara, "escrow"), account_of(sara, "payable")
        market = market_account("market_fee")
        return balance_micros(account_of(ben)), balance_micros(on_hold), balance_micros(earned), balance_micros(market)

    return look


def test_the_unused_part_of_a_period_goes_back(buy, listing, rich_ben, now, sums):
    purchase = buy(kind="period")
    start_clock(purchase=purchase, at=now)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 10 * DAY)
    assert sums() == (50 * EURO - 4 * EURO, 0, 3_680_000, 320_000)
    purchase.refresh_from_db()
    assert (purchase.refunded_micros, purchase.released_micros, purchase.release_due_at) == (8 * EURO, 4 * EURO, None)
    refund = Refund.objects.get()
    assert (refund.purchase, refund.amount_micros, refund.at) == (purchase, 8 * EURO, now + 10 * DAY)
    assert (refund.reason, refund.transfer.kind, refund.transfer.reference) == (
        "consent_withdrawn",
        "refund",
        purchase.public_id,
    )


def test_the_owner_sees_before_what_would_happen(buy, listing, rich_ben, now):
    start_clock(purchase=buy(kind="period"), at=now)
    buy()
    outlook = money_outlook(Purchase.objects.filter(listing=listing), now + 10 * DAY)
    assert (outlook.refund_micros, outlook.release_micros) == (13 * EURO, 4 * EURO)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 10 * DAY)
    assert sum(Refund.objects.values_list("amount_micros", flat=True)) == 13 * EURO
    outlook = money_outlook(Purchase.objects.filter(listing=listing), now + 10 * DAY)
    assert (outlook.refund_micros, outlook.release_micros) == (0, 0)


@pytest.mark.parametrize("is_delivered", [False, True])
def test_the_owner_sees_before_what_happens_to_disputed_money(buy, listing, rich_ben, now, is_delivered):
    disputed = buy()
    if is_delivered:
        start_clock(purchase=disputed, at=now)
    Purchase.objects.filter(pk=disputed.pk).update(disputed_at=now)
    outlook = money_outlook(Purchase.objects.filter(listing=listing), now + DAY)
    back, waits = (0, 5 * EURO) if is_delivered else (5 * EURO, 0)
    assert outlook == MoneyOutlook(refund_micros=back, release_micros=0, disputed_micros=waits)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + DAY)
    disputed.refresh_from_db()
    assert (disputed.refunded_micros, disputed.held_micros) == (back, waits)


def test_what_was_released_before_does_not_change_the_refund(buy, listing, rich_ben, now, sums):
    start_clock(purchase=buy(kind="period"), at=now)
    for days in (1, 2, 9):
        release_earnings(at=now + days * DAY)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 10 * DAY)
    assert sums() == (46 * EURO, 0, 3_680_000, 320_000)


def test_an_unloaded_period_goes_back_whole_until_its_clock_starts_by_itself(buy, listing, rich_ben, now, sums):
    buy(kind="period")
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 7 * DAY)
    assert sums() == (50 * EURO, 0, 0, 0)


def test_to_the_second_and_the_micro(buy, listing, rich_ben, now, sums):
    start_clock(purchase=buy(kind="period"), at=now)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + timedelta(seconds=1))
    back = 12 * EURO * 2_591_999 // 2_592_000
    assert Refund.objects.get().amount_micros == back == 11_999_995
    assert sums() == (38 * EURO + back, 0, 5, 0)


@pytest.mark.parametrize("is_delivered", [False, True])
def test_the_history_goes_back_whole_unless_it_was_delivered(buy, listing, rich_ben, now, sums, is_delivered):
    purchase = buy()
    if is_delivered:
        start_clock(purchase=purchase, at=now)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + DAY)
    assert sums() == ((45 * EURO, 0, 4_600_000, 400_000) if is_delivered else (50 * EURO, 0, 0, 0))
    assert Refund.objects.count() == (0 if is_delivered else 1)


def test_what_is_over_or_earned_stays_earned(buy, listing, rich_ben, now, sums):
    buy()
    release_earnings(at=now + 14 * DAY)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 15 * DAY)
    assert sums() == (45 * EURO, 0, 4_600_000, 400_000)
    assert not Refund.objects.exists()


def test_withdrawing_twice_changes_nothing(buy, listing, rich_ben, now, sums):
    buy(kind="period")
    first = withdraw_consent_with_refunds(consent=listing.consent, at=now + 10 * DAY)
    before = sums(), OutboxRow.objects.count(), Transfer.objects.count()
    again = withdraw_consent_with_refunds(consent=listing.consent, at=now + 20 * DAY)
    assert again.withdrawn_at == first.withdrawn_at == now + 10 * DAY
    assert (sums(), OutboxRow.objects.count(), Transfer.objects.count()) == before
    assert release_earnings(at=now + 99 * DAY) == 0


def test_nobody_buys_afterwards(buy, listing, rich_ben, now):
    withdraw_consent_with_refunds(consent=listing.consent, at=now)
    with pytest.raises(ListingNotForSale):
        buy()


def test_other_consents_are_left_alone(buy, listing, free_listing, rich_ben, now, sums):
    buy(kind="period")
    withdraw_consent_with_refunds(consent=free_listing.consent, at=now + DAY)
    assert sums() == (38 * EURO, 12 * EURO, 0, 0)


def test_a_listing_that_is_withdrawn_gives_back_too(buy, listing, rich_ben, now, sums):
    start_clock(purchase=buy(kind="period"), at=now)
    withdraw_listing_with_refunds(listing=listing, at=now + 10 * DAY)
    assert sums() == (46 * EURO, 0, 3_680_000, 320_000)
    assert Refund.objects.get().reason == "listing_withdrawn"
    withdraw_listing_with_refunds(listing=listing, at=now + 11 * DAY)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 11 * DAY)
    assert Refund.objects.count() == 1


def test_a_draft_cannot_be_withdrawn(sara, now):
    with pytest.raises(ListingNotPublished):
        withdraw_listing_with_refunds(listing=make_draft(sara, now), at=now)


def test_each_refund_has_its_entry_that_names_nobody(buy, listing, rich_ben, sara, mallory, now):
    fill_wallet(mallory, 20, now)
    sold = [buy(kind="period"), buy(kind="period", buyer=mallory)]
    for purchase in sold:
        start_clock(purchase=purchase, at=now)
    bought = {purchase.public_id for purchase in sold}
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 10 * DAY)
    rows = OutboxRow.objects.filter(kind="refund.made")
    assert set(rows.values_list("entry_id", flat=True)) == set(Refund.objects.values_list("entry_id", flat=True))
    bodies = {body["purchase"]: body for body in (json.loads(bytes(row.body)) for row in rows)}
    assert set(bodies) == {str(public_id) for public_id in bought}
    own = bodies[str(Purchase.objects.for_buyer(rich_ben).get().public_id)]
    assert own["buyer"] == commit_subject(kind="person", subject_id=rich_ben.public_id)
    assert own["seller"] == commit_subject(kind="person", subject_id=sara.public_id)
    assert (own["amount_micros"], own["price_micros"], own["currency"]) == ("8000000", "12000000", "EUR")
    assert rich_ben.email not in json.dumps(bodies)


def test_each_buyer_is_told_to_delete_and_what_comes_back(buy, listing, rich_ben, sara, mallory, now):
    fill_wallet(mallory, 20, now)
    period, history = buy(kind="period"), buy(buyer=mallory)
    for purchase in (period, history):
        start_clock(purchase=purchase, at=now)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 10 * DAY)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 11 * DAY)
    notices = Notice.objects.filter(kind="withdrawal")
    facts = {"title": "Roof weather", "delete_by": "2026-04-23T09:26:53.000000Z", "currency": "EUR"}
    assert {notice.user: (notice.reference, notice.facts) for notice in notices} == {
        rich_ben: (period.public_id, facts | {"purchase": str(period.public_id), "refund_micros": 8 * EURO}),
        mallory: (history.public_id, facts | {"purchase": str(history.public_id), "refund_micros": 0}),
    }


def test_what_an_erased_buyer_would_get_goes_to_the_seller(buy, listing, rich_ben, now, sums):
    buy(kind="period")
    rich_ben.erased_at = now
    rich_ben.save(update_fields=["erased_at"])
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 10 * DAY)
    assert sums() == (38 * EURO, 0, 11_040_000, 960_000)


def test_refunds_stand_for_ever(buy, listing, rich_ben, now):
    buy(kind="period")
    withdraw_consent_with_refunds(consent=listing.consent, at=now + DAY)
    for act in ("DELETE FROM purchases_refund", "UPDATE purchases_refund SET amount_micros = 1"):
        with transaction.atomic(), owner_rights(), connection.cursor() as cursor:
            with pytest.raises(DatabaseError, match="append-only"):
                cursor.execute(act)
            transaction.set_rollback(True)


def test_whoever_withdraws_gives_back():
    """No page, door or task withdraws past the refunds."""
    above = ("web", "api", "erasure", "delivery", "access")
    files = [path for folder in above for path in Path("marketplace", folder).rglob("*.py")]
    assert len(files) > 100
    assert [
        str(path)
        for path in files
        if {"withdraw_consent", "withdraw_listing"} & set(path.read_text().replace("(", " ").replace(",", " ").split())
    ] == []
