"""The demo's consents, listings, sales and withdrawals, through the services, at moments of the past month."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime, timedelta

from devices.models import Device
from ledger.models import OutboxRow
from ledger.services import current_freeze, sequence_batch
from marketplace.access.services import authorise_token_id, issue_token
from marketplace.accounts.models import User
from marketplace.consents.services import grant_consent
from marketplace.delivery.models import Read
from marketplace.delivery.services import current_version, files_for, record_read
from marketplace.listings.models import Listing
from marketplace.listings.services import draft_listing, publish_listing, set_plans
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import buy_listing, withdraw_consent_with_refunds, withdraw_listing_with_refunds
from marketplace.web.demo.script import LICENCE, DemoListing

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
