"""The facts of listings that every vocabulary tells in its own words: what the public page shows, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.urls import reverse

from marketplace.consents.models import Resolution
from marketplace.consents.record import CONTEXT, purpose_term
from marketplace.countries import country_name
from marketplace.delivery.projection import WIDTH_SECONDS, Column
from marketplace.listings.models import Listing, Plan
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.wording import measure_label, plan_name


@dataclass(frozen=True)
class PlanFacts:
    """price: of the whole plan, or of 1,000 rows where is_by_use. lasts: how long it goes; None: not limited by time.

    rows: of a trial that is limited by rows.
    """

    address: str
    identifier: str
    name: str
    price: Decimal
    currency: str
    is_by_use: bool
    lasts: timedelta | None
    rows: int | None


@dataclass(frozen=True)
class DatasetFacts:
    """page: the listing's address; first_at and last_at: of its readings, None before there are any.

    purposes: what it may be used for, as IRIs. ends_at: when the consent ends. resolution: 0 where readings are given
    as they were measured. columns: only where somebody asked for one listing.
    """

    page: str
    identifier: str
    title: str
    summary: str
    category: str
    keywords: Sequence[str]
    seller: str
    country: str
    country_name: str
    published_at: datetime
    changed_at: datetime
    first_at: datetime | None
    last_at: datetime | None
    row_count: int
    resolution: timedelta
    delay: timedelta
    purposes: Sequence[str]
    ends_at: datetime
    plans: Sequence[PlanFacts]
    columns: Sequence[Column] = ()

    @property
    def licence(self) -> str:
        return f"{self.page}#licence"

    @property
    def sample(self) -> str:
        return f"{self.page}sample.csv"


@dataclass(frozen=True)
class MarketFacts:
    """The market itself, as who publishes the catalogue. sharing: where Delta Sharing is served."""

    name: str
    home: str
    catalogue: str
    sharing: str


def market_facts() -> MarketFacts:
    home = settings.PUBLIC_URL
    return MarketFacts("Ownstream", f"{home}/", home + reverse("catalog"), f"{home}/delta-sharing/")


def dataset_facts(listing: Listing, columns: Sequence[Column] = ()) -> DatasetFacts:
    """listing: with seller, consent, quality and plans at hand."""
    page = settings.PUBLIC_URL + reverse("listing_page", args=[listing.public_id])
    quality, consent = getattr(listing, "quality", None), listing.consent
    assert listing.published_at is not None
    return DatasetFacts(
        page=page,
        identifier=f"urn:uuid:{listing.public_id}",
        title=listing.title,
        summary=listing.summary,
        category=listing.category,
        keywords=[measure_label(name) for name in consent.fields],
        seller=listing.seller.pseudonym,
        country=listing.country,
        country_name=country_name(listing.country),
        published_at=listing.published_at,
        changed_at=max(listing.published_at, listing.fresh_at),
        first_at=quality.first_reading_at if quality else None,
        last_at=quality.last_reading_at if quality else None,
        row_count=quality.row_count if quality else 0,
        resolution=timedelta(seconds=WIDTH_SECONDS.get(Resolution(consent.resolution), 0)),
        delay=timedelta(seconds=consent.delay_seconds),
        purposes=[_iri(purpose_term(code)) for code in consent.purposes],
        ends_at=consent.valid_until,
        plans=[_plan_facts(plan, page) for plan in listing.public_plans()],
        columns=columns,
    )


def _plan_facts(plan: Plan, page: str) -> PlanFacts:
    is_by_use = plan.kind == Plan.Kind.METERED
    micros = plan.micros_per_1000_rows if is_by_use else plan.price_micros
    seconds = plan.period_seconds or plan.trial_seconds
    return PlanFacts(
        address=f"{page}#plans",
        identifier=f"urn:uuid:{plan.public_id}",
        name=plan_name(plan),
        price=Decimal(micros or 0) / MICROS_PER_UNIT,
        currency=plan.currency,
        is_by_use=is_by_use,
        lasts=None if seconds is None else timedelta(seconds=seconds),
        rows=plan.trial_rows,
    )


def _iri(term: str) -> str:
    prefix, _, name = term.partition(":")
    return CONTEXT[prefix] + name
