"""Whose tax is inside what a person buys."""

from datetime import datetime

from django.conf import settings

from marketplace.accounts.models import User
from marketplace.accounts.services import particulars_of
from marketplace.purchases.tax import Market, Tax, tax_for


def market() -> Market:
    return Market(settings.MARKET_COUNTRY, settings.MARKET_VAT_ID)


def tax_of_buyer(buyer: User | None, at: datetime) -> Tax:
    """Return the tax inside what is sold at a moment. buyer: None for a visitor, who is taxed as at home."""
    # Where no tax is charged, a sale needs no question about the buyer.
    if buyer is None or not settings.MARKET_VAT_ID:
        return tax_for(market(), country="", vat_id="", on=at.date())
    known = particulars_of(buyer)
    return tax_for(market(), country=known.country, vat_id=known.vat_id, on=at.date())
