from __future__ import annotations

import logging
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import datetime

from django.contrib.postgres.search import SearchVector
from django.db import transaction
from django.db.models import Value
from django.utils.text import slugify

from ledger.services import commit_subject, submit_entry
from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.consents.models import Consent
from marketplace.consents.standing import change_standing, rely_on_standing
from marketplace.listings import entries, errors
from marketplace.listings.models import LONG_AGO, Category, Listing, ListingQuality, ListingRevision, Plan
from marketplace.listings.plan_rules import LONGEST_PERIOD_SECONDS, LONGEST_TRIAL_SECONDS, MOST_TRIAL_ROWS, terms_of
from marketplace.listings.plans import (
    add_plans,
    change_price,
    check_consent,
    check_promises,
    forget_offers,
    locked_draft,
    make_offer,
    reprice_plan,
    retire_plan,
    set_plans,
    submit_terms,
)

__all__ = [
    "LONGEST_PERIOD_SECONDS",
    "LONGEST_TRIAL_SECONDS",
    "MOST_TRIAL_ROWS",
    "QualityFigures",
    "add_plans",
    "change_price",
    "delete_draft",
    "draft_listing",
    "erase_listings",
    "follow_consent",
    "forget_offers",
    "make_offer",
    "publish_listing",
    "record_quality",
    "reprice_plan",
    "retire_plan",
    "set_plans",
    "share_terms",
    "terms_of",
    "update_draft",
    "withdraw_listing",
]

ERASED_EMAIL = "nobody@erased.invalid"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QualityFigures:
    """What delivery measured: see ListingQuality for each figure's meaning."""

    row_count: int
    reading_count: int
    first_reading_at: datetime | None
    last_reading_at: datetime | None
    coverage: float
    gap_count: int
    signed_share: float
    sparkline: list[float] = field(default_factory=list)


@transaction.atomic
def draft_listing(
    *,
    seller: User,
    consent: Consent,
    title: str,
    summary: str,
    category: str,
    licence_text: str,
    at: datetime,
) -> Listing:
    """Start a listing under one of the seller's own active consents. Nobody else sees it before it is published.

    Raises: ConsentNotYours, ConsentNotActive, ListingIncomplete.
    """
    hold_account(seller)
    check_consent(seller, consent, at)
    _check_texts(title, summary, licence_text, category)
    public_id = uuid.uuid4()
    listing = Listing.objects.create(
        public_id=public_id,
        seller=seller,
        consent=consent,
        title=title.strip(),
        summary=summary.strip(),
        category=category,
        licence_text=licence_text.strip(),
        country=_common_country(consent),
        measures=list(consent.fields),
        share_name=_share_name(title, public_id),
        created_at=at,
    )
    _index_for_search(listing)
    return listing


@transaction.atomic
def update_draft(*, listing: Listing, title: str, summary: str, category: str, licence_text: str) -> Listing:
    """Change a draft's texts. Raises: ListingNotDraft, ListingIncomplete."""
    locked = locked_draft(listing)
    _check_texts(title, summary, licence_text, category)
    locked.title = title.strip()
    locked.summary = summary.strip()
    locked.category = category
    locked.licence_text = licence_text.strip()
    locked.share_name = _share_name(title, locked.public_id)
    locked.save(update_fields=["title", "summary", "category", "licence_text", "share_name"])
    _index_for_search(locked)
    return locked


@transaction.atomic
def delete_draft(*, listing: Listing) -> None:
    """Remove a listing that was never published. Raises: ListingNotDraft."""
    locked_draft(listing).delete()


@transaction.atomic
def publish_listing(*, listing: Listing, at: datetime) -> Listing:
    """Offer the listing. It goes live when its consent's entry and its own are in a signed checkpoint.

    A listing that is published already is returned as it is. Raises: ListingIncomplete, ListingAlreadyWithdrawn,
    ConsentNotActive, PlansConflict, PlanOutlivesConsent.
    """
    locked = Listing.objects.select_for_update().get(pk=listing.pk)
    if locked.withdrawn_at is not None:
        raise errors.ListingAlreadyWithdrawn
    if locked.published_at is not None:
        return locked
    check_consent(locked.seller, locked.consent, at)
    _check_texts(locked.title, locked.summary, locked.licence_text, locked.category)
    check_promises(locked, at)
    locked.published_at = at
    locked.entry_id = submit_terms(locked, number=1, at=at)
    locked.save(update_fields=["published_at", "entry_id"])
    ListingRevision.objects.create(listing=locked, number=1, entry_id=locked.entry_id, published_at=at)
    logger.info("listing.published", extra={"listing_id": locked.public_id})
    return locked


@transaction.atomic
def withdraw_listing(*, listing: Listing, at: datetime) -> Listing:
    """Stop selling and delivering now and for good. A withdrawn listing is returned as it is.

    Raises: ListingNotPublished.
    """
    change_standing(listing.consent_id)
    locked = Listing.objects.select_for_update(no_key=True).get(pk=listing.pk)
    if locked.published_at is None:
        raise errors.ListingNotPublished
    if locked.withdrawn_at is not None:
        return locked
    locked.withdrawn_at = at
    locked.withdrawal_entry_id = submit_entry(
        kind="listing.withdrawn",
        body=entries.listing_withdrawn(seller=commit_subject(kind="person", subject_id=locked.seller.public_id)),
        key=locked.public_id,
        at=at,
        refs=[str(locked.public_id), str(locked.consent.public_id)],
    )
    locked.save(update_fields=["withdrawn_at", "withdrawal_entry_id"])
    logger.info("listing.withdrawn", extra={"listing_id": locked.public_id})
    return locked


@transaction.atomic
def follow_consent(*, consent: Consent) -> None:
    """After a narrowing, forget what the listings show of measures and figures that the consent no longer allows."""
    ListingQuality.objects.filter(listing__consent=consent).delete()
    for listing in Listing.objects.filter(consent=consent).select_for_update(no_key=True).order_by("pk"):
        if listing.measures != consent.fields:
            listing.measures = list(consent.fields)
            listing.save(update_fields=["measures"])
            _index_for_search(listing)


@transaction.atomic
def erase_listings(*, seller: User, sold: Collection[int]) -> None:
    """Delete a person's drafts, and blank published listings that are withdrawn by now.

    sold: pks of those that somebody bought. They keep title, summary and licence, which are the buyers' contract.
    """
    own = Listing.objects.filter(seller=seller)
    own.filter(published_at=None).delete()
    Plan.objects.filter(listing__seller=seller).exclude(offered_email="").update(offered_email=ERASED_EMAIL)
    ListingQuality.objects.filter(listing__seller=seller).delete()
    own.update(search_vector=None, fresh_at=LONG_AGO, country="")
    for listing in own.exclude(pk__in=sold):
        listing.title, listing.summary, listing.licence_text, listing.measures = "Erased listing", "", "", []
        listing.share_name = f"erased-{uuid.uuid4().hex}"
        listing.save(update_fields=["title", "summary", "licence_text", "measures", "share_name"])


@transaction.atomic
def record_quality(*, listing: Listing, quality: QualityFigures, at: datetime) -> ListingQuality:
    measured, _ = ListingQuality.objects.update_or_create(
        listing=listing, defaults={**asdict(quality), "measured_at": at}
    )
    Listing.objects.filter(pk=listing.pk).update(fresh_at=quality.last_reading_at or LONG_AGO)
    return measured


def share_terms(listing: Listing) -> None:
    """Hold off withdrawals and new prices of a listing, and of its consent, until the running transaction ends."""
    rely_on_standing(listing.consent_id)


def _check_texts(title: str, summary: str, licence_text: str, category: str) -> None:
    if not (title.strip() and summary.strip() and licence_text.strip()) or category not in Category.values:
        raise errors.ListingIncomplete


def _common_country(consent: Consent) -> str:
    countries = set(consent.devices.values_list("country", flat=True))
    return countries.pop() if len(countries) == 1 else ""


def _share_name(title: str, public_id: uuid.UUID) -> str:
    """A name that Delta Sharing clients accept: lower case, no space, slash or dot; unique by its last six digits."""
    return f"{slugify(title)[:60] or 'listing'}-{public_id.hex[:10]}"


def _index_for_search(listing: Listing) -> None:
    words = " ".join([*listing.measures, Category(listing.category).label]).replace("_", " ")
    Listing.objects.filter(pk=listing.pk).update(
        search_vector=SearchVector("title", weight="A", config="english")
        + SearchVector(Value(words), weight="B", config="english")
        + SearchVector("summary", weight="C", config="english")
    )
