"""The step before money is spent: what, for how much, from which wallet, and what is in the way."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.urls import reverse

from marketplace.accounts.models import User
from marketplace.errors import MarketError
from marketplace.listings.models import Listing, Plan
from marketplace.purchases.errors import PriceChanged
from marketplace.purchases.models import Purchase
from marketplace.purchases.ordering import amount_to_pay_in
from marketplace.purchases.services import TAKEN_ONCE, missing_micros, spendable_micros, tax_of_buyer, window_of
from marketplace.purchases.sight import plans_shown_to
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.services import account_of, balance_micros
from marketplace.web.buyer.cards import (
    buy_label,
    card_note,
    earlier_purchases,
    plan_obstacle,
    plan_promises,
    silence_warning,
    terms_of,
)
from marketplace.web.buyer.listings import refusal_to_sell
from marketplace.web.buyer.top_ups import wallet_form_address
from marketplace.web.formats import money_text
from marketplace.web.plan_words import headline_micros, price_parts, price_text
from marketplace.web.wording import plan_name


def checkout_context(listing: Listing, buyer: User, at: datetime, plan_id: uuid.UUID | None) -> dict[str, Any]:
    """plan_id: what the buyer chose; a plan that is not offered here falls back to the first."""
    plans, consent = plans_shown_to(buyer, listing, at), listing.consent
    plan = _chosen(plans, listing, plan_id)
    window = window_of(plan, consent, at) if plan.is_served_within(consent, at) else None
    balance, spendable = balance_micros(account_of(buyer)), spendable_micros(buyer)
    missing = missing_micros(buyer, plan.price_micros)
    return {
        "listing": listing,
        "plan": plan,
        "plan_name": plan_name(plan),
        "price_text": price_text(plan),
        "price_note": card_note(plan),
        "is_metered": plan.kind == Plan.Kind.METERED,
        "is_paid": headline_micros(plan) > 0,
        "parts": price_parts(plan, tax_of_buyer(buyer, at)),
        "promises": plan_promises(plan, consent, at) + silence_warning(plan, listing, at),
        "terms": terms_of(consent),
        "window": window,
        "goes_on": window is not None and window.ends_at > at,
        "buy_label": buy_label(plan),
        "idempotency_key": uuid.uuid4(),
        "balance_micros": balance,
        "kept_micros": balance - spendable,
        "after_micros": balance - plan.price_micros,
        "missing_micros": missing,
        "paid_in_micros": amount_to_pay_in(missing),
        "top_up_address": top_up_address(listing, plan, missing) if missing else "",
        "obstacle": refusal_to_sell(listing, plans, buyer, at) or plan_obstacle(plan, consent, at),
        "taken": _taken(listing, plan, buyer, at),
        "earlier": _bought_before(listing, buyer, at),
    }


def _chosen(plans: list[Plan], listing: Listing, plan_id: uuid.UUID | None) -> Plan:
    """The plan of that id, or what it is sold as now, or the first."""
    wanted = Plan.objects.filter(listing=listing, public_id=plan_id).first() if plan_id else None
    latest = wanted.latest_version() if wanted else None
    return next((one for one in plans if one == latest), plans[0])


def _taken(listing: Listing, plan: Plan, buyer: User, at: datetime) -> Purchase | None:
    """What the buyer has already and can't have twice."""
    own = Purchase.objects.for_buyer(buyer)
    if plan.kind == Plan.Kind.TRIAL:
        return own.trials(listing).first()
    return own.taken(plan, at).first() if plan.kind in TAKEN_ONCE else None


def _bought_before(listing: Listing, buyer: User, at: datetime) -> list[tuple[Purchase, str]]:
    """What the buyer has of this listing and can still load: buying again is charged again."""
    return earlier_purchases(Purchase.objects.for_buyer(buyer).filter(listing=listing).active_at(at))


def top_up_address(listing: Listing, plan: Plan, missing_micros: int) -> str:
    """The wallet's form with the missing amount filled in; paying it comes back to this step."""
    back = f"{reverse('purchase_create', args=[listing.public_id])}?plan={plan.public_id}"
    return wallet_form_address(missing_micros, back)


def refusal_of(error: MarketError) -> dict[str, str]:
    """A service's refusal in the words of the refusal component."""
    refusal = {"title": "Nothing was bought", "why": str(error), "what_now": "", "code": error.code}
    if isinstance(error, PriceChanged):
        micros = int(str(error.details["price_micros"]))
        now = f"It is {money_text(micros, str(error.details['currency']))} now. " if micros else ""
        refusal["title"] = "The price changed"
        refusal["why"] = f"{now}Nothing was bought and no money moved."
        refusal["what_now"] = "Look at the new price below. Buy at it, or leave."
    elif isinstance(error, InsufficientFunds):
        refusal["title"] = "There is too little money in your wallet"
        refusal["what_now"] = "Top up the missing amount. You come back here afterwards."
    return refusal
