"""The demo's consents, listings, sales and withdrawals, through the services, at moments of the past month."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid5

from devices.models import Device
from ledger.models import OutboxRow
from ledger.services import current_freeze, sequence_batch
from marketplace.access.services import authorise_token_id, issue_token
from marketplace.accounts.models import User
from marketplace.consents.services import Terms, grant_consent
from marketplace.delivery.models import Read
from marketplace.delivery.services import current_version, files_for, narrow_and_rebuild, record_read, refresh_table
from marketplace.listings.models import Listing
from marketplace.listings.services import draft_listing, publish_listing, set_plans
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import (
    buy_listing,
    take_back_top_up,
    withdraw_consent_with_refunds,
    withdraw_listing_with_refunds,
)
from marketplace.wallet.errors import InsufficientFunds
from marketplace.wallet.gateway.models import CardRefund, Payout
from marketplace.wallet.gateway.services import (
    answer_card_refund_at_test_provider,
    answer_payout_at_test_provider,
    open_payee,
    request_payout,
    send_card_refunds,
    send_payouts,
)
from marketplace.wallet.models import TopUp
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.demo.script import LICENCE, PAYOUTS, TAKEN_BACK_EUROS, DemoListing

DRAIN_SECONDS = 30.0


def ensure_listing(demo: DemoListing, seller: User, devices: Mapping[str, Device], start: datetime) -> Listing:
    """start: when the devices were enrolled; the listing appears a day or more after."""
    listing = Listing.objects.filter(seller=seller, title=demo.title).first()
    if listing is not None:
        return listing
    granted_at = start + timedelta(days=1, hours=8, minutes=7 * len(demo.title) % 60)
    term = timedelta(days=14) if demo.state == "ended" else timedelta(days=365)
    consent = grant_consent(
        owner=seller,
        devices=[devices[key] for key in demo.devices],
        fields=demo.fields,
        resolution=demo.resolution,
        delay_seconds=demo.delay_seconds,
        purposes=demo.purposes,
        audience="anyone",
        buyer_emails=[],
        valid_until=granted_at + term,
        at=granted_at,
    )
    listing = draft_listing(
        seller=seller,
        consent=consent,
        title=demo.title,
        summary=demo.summary,
        category=demo.category,
        licence_text=LICENCE,
        at=granted_at + timedelta(minutes=20),
    )
    set_plans(listing=listing, plans=demo.plans)
    if demo.state != "draft":
        listing = publish_listing(listing=listing, at=granted_at + timedelta(minutes=45))
    return listing


def drain_outbox(at: datetime) -> None:
    """Have everything recorded, whether by this process or by a worker that is running already.

    A frozen log takes nothing; the run starts all the same, so that its pages can say why.
    """
    end = time.monotonic() + DRAIN_SECONDS
    while OutboxRow.objects.exists() and current_freeze() is None:
        if sequence_batch(at=at) == 0:
            time.sleep(0.1)
        if time.monotonic() > end:
            raise TimeoutError("The log did not take the demo's records within 30 seconds. Is the worker stuck?")


def ensure_purchase(listing: Listing, buyer: User, at: datetime) -> Purchase:
    """The first one is the demo's; what was bought by hand since then is not touched."""
    purchase = Purchase.objects.for_buyer(buyer).filter(listing=listing).order_by("purchased_at", "pk").first()
    if purchase is None:
        plan = listing.plans.order_by("position")[0]
        purchase = buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=plan.price_micros, at=at)
    return purchase


def ensure_end(demo: DemoListing, listing: Listing, at: datetime) -> None:
    if demo.state == "withdrawn":
        withdraw_listing_with_refunds(listing=listing, at=at)
    elif demo.state == "consent_withdrawn":
        withdraw_consent_with_refunds(consent=listing.consent, at=at)


def ensure_token(purchase: Purchase, at: datetime, read_at: datetime) -> str:
    """Make the first token of a purchase, read the data once with it, and return it; empty if there was one before."""
    if purchase.tokens.exists():
        return ""
    token, text = issue_token(purchase=purchase, at=at)
    grant = authorise_token_id(token.public_id, read_at)
    files = files_for(grant, version=current_version(grant.listing))
    record_read(grant=grant, door=Read.Door.DELTA_SHARING, files=files, at=read_at)
    return text


def ensure_narrowing(demo: DemoListing, listing: Listing, at: datetime, now: datetime) -> None:
    """at: when the owner took something away; the table under the narrower terms is made now."""
    consent = listing.consent
    if demo.later_delay_seconds and not consent.changes.exists():
        terms = replace(Terms.of(consent), delay_seconds=demo.later_delay_seconds)
        narrow_and_rebuild(consent=consent, terms=terms, at=at)
        drain_outbox(at)
        refresh_table(listing=Listing.objects.get(pk=listing.pk), at=now)


def ensure_payouts(seller: User, at: datetime) -> None:
    """One payout in each state that PAYOUTS names. In a month of other sales there may be too little for them."""
    if Payout.objects.filter(user=seller).exists():
        return
    open_payee(user=seller, return_address="", at=at)
    for state, euros in PAYOUTS.items():
        key = uuid5(seller.public_id, f"demo payout {state}")
        try:
            request_payout(user=seller, amount_micros=euros * MICROS_PER_UNIT, idempotency_key=key, at=at)
        except InsufficientFunds:
            return
    send_payouts(at=at)
    paid = Payout.objects.get(user=seller, idempotency_key=uuid5(seller.public_id, "demo payout paid"))
    answer_payout_at_test_provider(payout=paid, is_paid=True, at=at)


def ensure_card_refund(buyer: User, at: datetime) -> None:
    """A little of what was not spent went back to where it came from. In a month of other sales there may be none."""
    if CardRefund.objects.filter(user=buyer).exists():
        return
    top_up = TopUp.objects.filter(user=buyer, state=TopUp.State.PAID).earliest("created_at")
    amount_micros, key = TAKEN_BACK_EUROS * MICROS_PER_UNIT, uuid5(buyer.public_id, "demo refund")
    try:
        refund = take_back_top_up(top_up=top_up, amount_micros=amount_micros, idempotency_key=key, at=at)
    except InsufficientFunds:
        return
    send_card_refunds(at=at)
    answer_card_refund_at_test_provider(refund=refund, is_paid=True, at=at)
