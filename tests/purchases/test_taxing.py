"""The tax inside what people buy: stored with the sale, paid out of the escrow, given back with a refund."""

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from ledger.models import OutboxRow
from marketplace.accounts.models import BillingProfile, User
from marketplace.accounts.services import declare_billing
from marketplace.consents.models import Consent
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import (
    buy_listing,
    refund_window,
    release_earnings,
    withdraw_consent_with_refunds,
)
from marketplace.wallet.models import Account
from marketplace.wallet.services import account_of, balance_micros
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db
DAY = 86_400


@pytest.fixture(autouse=True)
def registered(settings: Any, no_vat: None) -> None:
    settings.MARKET_COUNTRY, settings.MARKET_VAT_ID = "DE", "DE100000008"


def declare(user: User, at: datetime, country: str, vat_id: str = "") -> BillingProfile:
    return declare_billing(user=user, name="Ben", address="Street 1", country=country, vat_id=vat_id, at=at)


def buy(seller: User, buyer: User, at: datetime, plan: PlanTerms) -> Purchase:
    listing = make_listing(seller, at, plans=[plan])
    return buy_listing(listing=listing, plan=listing.plans.get(), buyer=buyer, quoted_micros=plan.price_micros, at=at)


def parts(purchase: Purchase) -> tuple[int, int, int, int]:
    return purchase.price_micros, purchase.tax_micros, purchase.fee_micros, purchase.seller_micros


@pytest.mark.parametrize(
    ("country", "vat_id", "treatment", "expected"),
    [
        # 11.90 at 19 %: 1.90 tax, of the 10.00 left 8 % are the market's.
        ("DE", "", "domestic", (11_900_000, 1_900_000, 800_000, 9_200_000)),
        ("HU", "", "one_stop_shop", (11_900_000, 2_530_000, 750_000, 8_620_000)),
        ("AT", "ATU57194903", "reverse_charge", (11_900_000, 0, 950_000, 10_950_000)),
        ("US", "", "outside_eu", (11_900_000, 0, 950_000, 10_950_000)),
    ],
)
def test_the_price_is_the_same_and_holds_the_tax_of_the_buyer(
    sara: User, ben: User, now: datetime, country: str, vat_id: str, treatment: str, expected: tuple[int, ...]
) -> None:
    fill_wallet(ben, 20, now)
    declare(ben, now, country, vat_id)
    purchase = buy(sara, ben, now, PlanTerms("one_off", 11_900_000))
    purchase.refresh_from_db()
    assert parts(purchase) == expected
    assert (purchase.tax_treatment, purchase.tax_country) == (treatment, country)
    assert balance_micros(account_of(ben)) == 20 * EURO - 11_900_000

    entry = OutboxRow.objects.get(entry_id=purchase.entry_id)
    assert f'"tax_micros":"{expected[1]}"'.encode() in bytes(entry.body)

    release_earnings(at=now + refund_window())
    payable = Account.objects.with_balance().get(owner=sara, kind="payable").balance_micros
    assert payable == expected[3]
    tax = Account.objects.with_balance().filter(kind="tax").first()
    assert (tax.balance_micros if tax else 0) == expected[1]


def test_a_refund_takes_its_part_of_the_tax_back(sara: User, ben: User, now: datetime) -> None:
    fill_wallet(ben, 20, now)
    declare(ben, now, "DE")
    purchase = buy(sara, ben, now, PlanTerms("period", 11_900_000, period_seconds=10 * DAY))
    consent = Consent.objects.get(pk=purchase.listing.consent_id)
    withdraw_consent_with_refunds(consent=consent, at=now)
    purchase.refresh_from_db()
    assert purchase.refunded_micros == purchase.price_micros
    assert purchase.released_tax_micros == 0


def test_the_database_refuses_a_tax_that_does_not_fit(sara: User, ben: User, now: datetime) -> None:
    fill_wallet(ben, 20, now)
    declare(ben, now, "US")
    purchase = buy(sara, ben, now, PlanTerms("one_off", 11_900_000))
    for values in ({"tax_micros": 1}, {"tax_basis_points": 1900}, {"tax_treatment": "domestic"}):
        with pytest.raises(IntegrityError, match=r"purchase_tax_fits|purchase_parts_fit"), transaction.atomic():
            Purchase.objects.filter(pk=purchase.pk).update(**values)
