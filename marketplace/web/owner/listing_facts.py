"""What an owner's pages say about the own listings."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import BigIntegerField, Count, IntegerField, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse

from marketplace.delivery.models import Read
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing, ListingState, Plan
from marketplace.purchases.models import Purchase
from marketplace.purchases.pricing import quote
from marketplace.purchases.services import tax_of_buyer
from marketplace.web.formats import money_text
from marketplace.web.plan_words import headline_micros, price_note, price_sentence
from marketplace.web.records import WAITING, event, newest_first, seals_of
from marketplace.web.seals import Seal
from marketplace.web.wording import plan_name

UNPRICED = (Plan.Kind.FREE, Plan.Kind.TRIAL)
STATE_TAGS = {
    ListingState.DRAFT: "",
    ListingState.WAITING: "tag-pending",
    ListingState.LIVE: "tag-proven",
    ListingState.WITHDRAWN: "tag-danger",
    ListingState.ENDED: "",
}


@dataclass(frozen=True)
class ListingRow:
    listing: Any
    state: ListingState
    state_tag: str
    seal: Seal | None
    prices: str


def with_sales(listings: QuerySet[Listing, Listing]) -> QuerySet[Listing, Listing]:
    """Add sale_count, earned_micros and read_count to each listing."""
    sales = Purchase.objects.filter(listing=OuterRef("pk")).order_by().values("listing")
    reads = Read.objects.filter(purchase__listing=OuterRef("pk")).order_by().values("purchase__listing")
    return listings.annotate(
        sale_count=counted(sales),
        earned_micros=Coalesce(
            Subquery(sales.values_list(Sum("released_seller_micros")), output_field=BigIntegerField()), 0
        ),
        read_count=counted(reads),
    )


def counted(rows: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(rows.values_list(Count("pk")), output_field=IntegerField()), 0)


def listing_rows(listings: QuerySet[Listing, Listing], *, at: datetime) -> list[ListingRow]:
    """One row for each listing, in the order given, with one query for all seals."""
    return rows_of_listings(with_sales(listings).select_related("consent").prefetch_related("plans"), at=at)


def rows_of_listings(listings: Iterable[Listing], *, at: datetime) -> list[ListingRow]:
    """listings: from with_sales, with plans prefetched."""
    kept = list(listings)
    seals = seals_of(
        entry_id
        for listing in kept
        for row in (listing, listing.consent)
        for entry_id in (row.entry_id, row.withdrawal_entry_id)
    )
    return [listing_row(listing, seals, at) for listing in kept]


def listing_row(listing: Listing, seals: dict[Any, Seal], at: datetime) -> ListingRow:
    state = listing_state(listing, seals, at)
    entry_id = proof_of_state(listing, state)
    seal = seals.get(entry_id, WAITING) if entry_id else None
    return ListingRow(listing, state, STATE_TAGS[state], seal, prices_text(listing.public_plans()))


def proof_of_state(listing: Listing, state: ListingState) -> UUID | None:
    """The record that proves a listing's state: what ended it, or its publication."""
    if state == ListingState.WITHDRAWN:
        return listing.withdrawal_entry_id
    if state == ListingState.ENDED:
        return listing.consent.withdrawal_entry_id or listing.consent.entry_id
    return listing.entry_id


def listing_state(listing: Listing, seals: dict[Any, Seal], at: datetime) -> ListingState:
    """The state, with the seals that are at hand."""
    records = (listing.entry_id, listing.consent.entry_id)
    is_recorded = all(seals.get(entry_id, WAITING).state != "waiting" for entry_id in records)
    return listing.state_at(at, is_recorded=is_recorded)


def prices_text(plans: Iterable[Plan]) -> str:
    return " · ".join(price_sentence(plan) for plan in plans) or "no price yet"


def plan_quotes(plans: Iterable[Plan | PlanTerms], at: datetime) -> list[dict[str, str]]:
    """Of each plan: what the buyer pays, what of it is tax if the buyer lives where the market is, what the market
    keeps, what the seller receives.
    """
    rows = []
    tax = tax_of_buyer(None, at)
    for plan in plans:
        parts = quote(headline_micros(plan), settings.MARKET_FEE_BASIS_POINTS, tax.basis_points)
        rows.append(
            {
                "name": plan_name(plan),
                "note": price_note(plan) if plan.kind == Plan.Kind.METERED else "",
                "total": money_text(parts.total_micros, settings.MARKET_CURRENCY),
                "tax": money_text(parts.tax_micros, settings.MARKET_CURRENCY) if tax.basis_points else "none",
                "fee": money_text(parts.fee_micros, settings.MARKET_CURRENCY),
                "receive": money_text(parts.seller_micros, settings.MARKET_CURRENCY),
                "price_address": price_address(plan),
                "retirement_address": retirement_address(plan),
            }
        )
    return rows


def price_address(plan: Plan | PlanTerms) -> str:
    """Where the price can be changed; empty for a free plan and for one that is not published."""
    if not isinstance(plan, Plan) or plan.kind in UNPRICED or plan.listing.published_at is None:
        return ""
    if plan.listing.withdrawn_at is not None:
        return ""
    return reverse("plan_price", kwargs={"public_id": plan.listing.public_id, "plan_id": plan.public_id})


def retirement_address(plan: Plan | PlanTerms) -> str:
    """Where a published plan is taken from sale; empty for the only one."""
    if not isinstance(plan, Plan) or plan.listing.published_at is None or plan.listing.withdrawn_at is not None:
        return ""
    if plan.is_public and len(plan.listing.public_plans()) == 1:
        return ""
    return reverse("plan_retirement", kwargs={"public_id": plan.listing.public_id, "plan_id": plan.public_id})


def offer_rows(listing: Listing, at: datetime) -> list[dict[str, Any]]:
    """Offers that somebody may still take, newest first."""
    open_offers = listing.plans.current().exclude(offered_email="").filter(offer_until__gt=at).order_by("-id")
    return [
        {"plan": plan, "price": price_sentence(plan), "address": retirement_address(plan)}
        for plan in open_offers.select_related("listing")
    ]


def listing_timeline(listing: Listing) -> list[dict[str, Any]]:
    """What happened to a listing, newest first."""
    revisions = list(listing.revisions.all())
    seals = seals_of([*(revision.entry_id for revision in revisions), listing.withdrawal_entry_id])
    events = [event("Draft started", listing.created_at)]
    for revision in revisions:
        title = "Published" if revision.number == 1 else "New price"
        events.append(event(title, revision.published_at, seal=seals[revision.entry_id]))
    if listing.withdrawn_at and listing.withdrawal_entry_id:
        note = "Nobody can buy it or read under it from then on."
        events.append(event("Withdrawn", listing.withdrawn_at, note=note, seal=seals[listing.withdrawal_entry_id]))
    return newest_first(events)


def publication_steps(row: ListingRow, consent_seal: Seal | None) -> list[dict[str, Any]]:
    """The way from the click to the catalogue, for the Steps component."""
    listing = row.listing
    consent_is_recorded = consent_seal is not None and consent_seal.state != "waiting"
    listing_is_recorded = row.seal is not None and row.seal.state != "waiting"
    names = [
        ("Published", "", True),
        ("Consent recorded", entry_text(consent_seal), consent_is_recorded),
        ("Listing recorded", entry_text(row.seal), consent_is_recorded and listing_is_recorded),
        ("Live in the catalogue", "", row.state == ListingState.LIVE),
    ]
    steps: list[dict[str, Any]] = []
    for title, note, is_done in names:
        is_next_open = not is_done and all(step["state"] == "done" for step in steps)
        state = "done" if is_done else "now" if is_next_open else "next"
        steps.append({"title": title, "note": note, "state": state})
    steps[0]["at"] = listing.published_at
    return steps


def entry_text(seal: Seal | None) -> str:
    return f"Entry {seal.number:,} of the log" if seal is not None and seal.number is not None else "In a few seconds"
