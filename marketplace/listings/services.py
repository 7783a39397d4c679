from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from django.conf import settings
from django.contrib.postgres.search import SearchVector
from django.db import transaction
from django.db.models import Min, Value
from django.utils.text import slugify

from ledger.entries import at_text
from ledger.services import commit_subject, submit_entry
from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.consents.errors import ConsentNotActive
from marketplace.consents.models import Consent
from marketplace.consents.standing import change_standing, rely_on_standing
from marketplace.listings import entries, errors
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import LONG_AGO, Category, Listing, ListingQuality, ListingRevision, Plan
from marketplace.wallet.units import MICROS_PER_CENT, MICROS_PER_UNIT

logger = logging.getLogger(__name__)

MOST_PLANS = 6
LONGEST_PERIOD_DAYS = 366
HIGHEST_PRICE_MICROS = 1_000_000 * MICROS_PER_UNIT


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
    _check_consent(seller, consent, at)
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
    locked = _locked_draft(listing)
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
def set_plans(*, listing: Listing, plans: Sequence[PlanTerms]) -> list[Plan]:
    """Replace a draft's plans. Raises: ListingNotDraft, PlanInvalid, PlansConflict, TooManyPlans."""
    locked = _locked_draft(listing)
    if len(plans) > MOST_PLANS:
        raise errors.TooManyPlans
    for plan in plans:
        _check_plan(plan)
    _check_no_conflict(plans)
    locked.plans.all().delete()
    made = Plan.objects.bulk_create(
        Plan(
            listing=locked,
            kind=plan.kind,
            price_micros=plan.price_micros,
            period_days=plan.period_days,
            currency=settings.MARKET_CURRENCY,
            position=position,
        )
        for position, plan in enumerate(plans, start=1)
    )
    _note_lowest_price(locked)
    return made


@transaction.atomic
def delete_draft(*, listing: Listing) -> None:
    """Remove a listing that was never published. Raises: ListingNotDraft."""
    _locked_draft(listing).delete()


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
    _check_consent(locked.seller, locked.consent, at)
    _check_texts(locked.title, locked.summary, locked.licence_text, locked.category)
    _check_promises(locked, at)
    locked.published_at = at
    locked.entry_id = _submit_terms(locked, number=1, at=at)
    locked.save(update_fields=["published_at", "entry_id"])
    ListingRevision.objects.create(listing=locked, number=1, entry_id=locked.entry_id, published_at=at)
    logger.info("listing.published", extra={"listing_id": locked.public_id})
    return locked


@transaction.atomic
def change_price(*, plan: Plan, price_micros: int, at: datetime) -> Plan:
    """Ask another price from now on. Purchases made before keep theirs; a buyer who was shown the old one is told.

    The new terms are a new publication in the log; the listing stays live meanwhile, on its first one.
    Raises: PlanInvalid, ListingAlreadyWithdrawn, ListingNotPublished, ConsentNotActive.
    """
    change_standing(plan.listing.consent_id)
    listing = Listing.objects.select_for_update(no_key=True).get(pk=plan.listing_id)
    locked = Plan.objects.select_for_update().get(pk=plan.pk)
    if listing.published_at is None:
        raise errors.ListingNotPublished
    if listing.withdrawn_at is not None:
        raise errors.ListingAlreadyWithdrawn
    _check_consent(listing.seller, listing.consent, at)
    if locked.price_micros == price_micros:
        return locked
    _check_plan(PlanTerms(locked.kind, price_micros, locked.period_days))
    locked.price_micros = price_micros
    locked.save(update_fields=["price_micros"])
    _note_lowest_price(listing)
    # Nobody else can take the number: whoever publishes a listing holds its lock.
    number = listing.revisions.count() + 1
    entry_id = _submit_terms(listing, number=number, at=at)
    ListingRevision.objects.create(listing=listing, number=number, entry_id=entry_id, published_at=at)
    logger.info("listing.repriced", extra={"listing_id": listing.public_id})
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
def erase_listings(*, seller: User, sold: Collection[int]) -> None:
    """Delete a person's drafts, and blank published listings that are withdrawn by now.

    sold: pks of those that somebody bought. They keep title, summary and licence, which are the buyers' contract.
    """
    own = Listing.objects.filter(seller=seller)
    own.filter(published_at=None).delete()
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


def _submit_terms(listing: Listing, *, number: int, at: datetime) -> uuid.UUID:
    """Submit the terms as they stand now; each revision has an entry of its own."""
    plans = list(listing.plans.all())
    if not plans:
        raise errors.ListingIncomplete
    return submit_entry(
        kind="listing.published",
        body=entries.listing_published(
            seller=commit_subject(kind="person", subject_id=listing.seller.public_id),
            revision=number,
            category=listing.category,
            title=listing.title,
            summary=listing.summary,
            licence_text=listing.licence_text,
            currency=settings.MARKET_CURRENCY,
            plans=[PlanTerms(plan.kind, plan.price_micros, plan.period_days) for plan in plans],
        ),
        key=uuid.uuid5(listing.public_id, str(number)),
        at=at,
        refs=[str(listing.public_id), str(listing.consent.public_id)],
    )


def _note_lowest_price(listing: Listing) -> None:
    """Call with the listing locked: whoever changes a plan holds its listing."""
    lowest = Plan.objects.filter(listing=listing).aggregate(lowest=Min("price_micros"))["lowest"]
    Listing.objects.filter(pk=listing.pk).update(from_micros=lowest)


def _locked_draft(listing: Listing) -> Listing:
    locked = Listing.objects.select_for_update().get(pk=listing.pk)
    if locked.published_at is not None:
        raise errors.ListingNotDraft
    return locked


def _check_consent(seller: User, consent: Consent, at: datetime) -> None:
    locked = Consent.objects.select_for_update(no_key=True).get(pk=consent.pk)
    if locked.owner_id != seller.pk:
        raise errors.ConsentNotYours
    if not locked.is_active(at):
        raise ConsentNotActive


def _check_texts(title: str, summary: str, licence_text: str, category: str) -> None:
    if not (title.strip() and summary.strip() and licence_text.strip()) or category not in Category.values:
        raise errors.ListingIncomplete


def _is_price(micros: int) -> bool:
    """Whole cents, so that its parts are whole cents too, and pages never show a fraction of one."""
    return MICROS_PER_CENT <= micros <= HIGHEST_PRICE_MICROS and micros % MICROS_PER_CENT == 0


def _check_plan(plan: PlanTerms) -> None:
    is_free = plan.kind == Plan.Kind.FREE
    price_fits = plan.price_micros == 0 if is_free else _is_price(plan.price_micros)
    if plan.kind == Plan.Kind.PERIOD:
        period_fits = plan.period_days is not None and 1 <= plan.period_days <= LONGEST_PERIOD_DAYS
    else:
        period_fits = plan.period_days is None
    if plan.kind not in Plan.Kind.values or not price_fits or not period_fits:
        raise errors.PlanInvalid


def _check_no_conflict(plans: Sequence[PlanTerms | Plan]) -> None:
    """Free or not, the history is one thing, and so is each length of period: nobody would pay the higher price."""
    sold = [plan.period_days for plan in plans]
    if len(set(sold)) < len(sold):
        raise errors.PlansConflict


def _check_promises(listing: Listing, at: datetime) -> None:
    """Ask of a draft's plans what somebody who bought at this moment would."""
    plans = list(listing.plans.all())
    _check_no_conflict(plans)
    consent = listing.consent
    if not all(plan.is_served_within(consent, at) for plan in plans):
        raise errors.PlanOutlivesConsent(valid_until=at_text(consent.valid_until))


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
