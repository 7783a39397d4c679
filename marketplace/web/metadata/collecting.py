"""Where the facts of listings come from."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.urls import reverse

from marketplace.consents.models import Resolution
from marketplace.consents.record import CONTEXT, purpose_term
from marketplace.countries import country_name
from marketplace.delivery.services import Column
from marketplace.delivery.tables.projection import WIDTH_SECONDS
from marketplace.listings.models import Listing, Plan
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.metadata.facts import ColumnFacts, DatasetFacts, MarketFacts, PlanFacts
from marketplace.web.wording import measure_label, plan_name


def market_facts() -> MarketFacts:
    home = settings.PUBLIC_URL
    return MarketFacts("Ownstream", f"{home}/", home + reverse("catalog"), f"{home}/delta-sharing/")


def dataset_facts(listing: Listing, at: datetime, columns: Sequence[Column] = ()) -> DatasetFacts:
    """listing: with seller, consent, quality and plans at hand. Plans that would outlast its consent are not sold."""
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
        plans=[_plan_facts(plan, page) for plan in listing.public_plans() if plan.is_served_within(consent, at)],
        columns=[ColumnFacts(column.name, column.field, column.unit, column.kind) for column in columns],
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
