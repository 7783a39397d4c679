"""What a listing costs: its plans, their versions, and offers to one person.

A plan's terms never change. A new price is a new row; the one before is retired, and whoever bought it keeps it.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, Case, F, Max, Min, When

from ledger.entries import at_text
from ledger.services import commit_subject, submit_entry
from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.consents.errors import ConsentNotActive
from marketplace.consents.models import Audience, Consent
from marketplace.consents.standing import change_standing
from marketplace.listings import entries, errors
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing, ListingRevision, Plan
from marketplace.listings.plan_rules import MOST_PLANS, check_no_conflict, check_plan, terms_of
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import notify

logger = logging.getLogger(__name__)

LONGEST_OFFER = timedelta(days=90)
MOST_OFFERS = 200
_OFFERED = (Plan.Kind.ONE_OFF, Plan.Kind.PERIOD)


@transaction.atomic
def set_plans(*, listing: Listing, plans: Sequence[PlanTerms]) -> list[Plan]:
    """Replace a draft's plans. Raises: ListingNotDraft, PlanInvalid, PlansConflict, TooManyPlans."""
    locked = locked_draft(listing)
    if len(plans) > MOST_PLANS:
        raise errors.TooManyPlans
    for plan in plans:
        check_plan(plan)
    check_no_conflict(plans)
    locked.plans.all().delete()
    made = Plan.objects.bulk_create(_row(locked, plan, position) for position, plan in enumerate(plans, start=1))
    _note_lowest_price(locked)
    return made


def change_price(*, plan: Plan, price_micros: int, at: datetime) -> Plan:
    """Ask another price of a plan whose price is one amount; see reprice_plan."""
    return reprice_plan(plan=plan, terms=replace(terms_of(plan), price_micros=price_micros), at=at)


@transaction.atomic
def reprice_plan(*, plan: Plan, terms: PlanTerms, at: datetime) -> Plan:
    """Sell a plan on other terms of the same kind from now on, and return the new version.

    Purchases made before keep theirs until they are renewed; a buyer who was shown the old price is told. The new
    terms are a new publication in the log; the listing stays live meanwhile, on its first one. An offer is not
    repriced: make another.
    Raises: PlanInvalid, PlanRetired, PlansConflict, ListingAlreadyWithdrawn, ListingNotPublished, ConsentNotActive.
    """
    listing = _locked_for_sale(plan.listing, at)
    locked = Plan.objects.select_for_update().get(pk=plan.pk)
    if not locked.is_public:
        raise errors.PlanRetired
    if terms == terms_of(locked):
        return locked
    if terms.kind != locked.kind:
        raise errors.PlanInvalid
    check_plan(terms)
    locked.retired_at = at
    locked.save(update_fields=["retired_at"])
    new = _row(listing, terms, locked.position)
    new.replaces = locked
    new.save()
    _publish_again(listing, at)
    return new


@transaction.atomic
def add_plans(*, listing: Listing, plans: Sequence[PlanTerms], at: datetime) -> list[Plan]:
    """Sell more plans of a published listing, all of them or none, after those that it has.

    plans: one at least. Raises: PlanInvalid, PlansConflict, TooManyPlans, PlanOutlivesConsent, and what reprice_plan
    raises of the listing.
    """
    if not plans:
        raise errors.PlanInvalid("Add at least one plan.")
    locked = _locked_for_sale(listing, at)
    if locked.plans.public().count() + len(plans) > MOST_PLANS:
        raise errors.TooManyPlans
    position = _next_position(locked)
    added = []
    for number, terms in enumerate(plans):
        check_plan(terms)
        plan = _row(locked, terms, position + number)
        if not plan.is_served_within(locked.consent, at):
            raise errors.PlanOutlivesConsent(valid_until=at_text(locked.consent.valid_until))
        plan.save()
        added.append(plan)
    _publish_again(locked, at)
    return added


@transaction.atomic
def retire_plan(*, plan: Plan, at: datetime) -> Plan:
    """Sell a plan, or hold open an offer, no more. Who bought it keeps it to the end of its term.

    A retired plan is returned as it is. Raises: LastPlan, and what reprice_plan raises of the listing.
    """
    listing = _locked_for_sale(plan.listing, at)
    locked = Plan.objects.select_for_update().get(pk=plan.pk)
    if locked.retired_at is not None:
        return locked
    if locked.is_public and locked.listing.plans.public().count() == 1:
        raise errors.LastPlan
    is_public = locked.is_public
    locked.retired_at = at
    locked.save(update_fields=["retired_at"])
    if is_public:
        _publish_again(listing, at)
    return locked


@transaction.atomic
def make_offer(*, listing: Listing, terms: PlanTerms, email: str, until: datetime, at: datetime) -> Plan:
    """Offer the history or a period to one person at a price of their own, until a moment.

    Nobody else learns of it, and the seller does not learn whether the address belongs to anyone here.
    Raises: OfferInvalid, OfferNotAllowed, PlanInvalid, TooManyPlans, PlanOutlivesConsent, and what reprice_plan raises
    of the listing.
    """
    locked = _locked_for_sale(listing, at)
    email = email.strip().lower()
    check_plan(terms)
    if terms.kind not in _OFFERED or not email or email in locked.seller.verified_addresses():
        raise errors.OfferInvalid
    if not at < until <= at + LONGEST_OFFER:
        raise errors.OfferInvalid
    consent = locked.consent
    if consent.audience != Audience.ANYONE and not consent.named_buyers.filter(email=email).exists():
        raise errors.OfferNotAllowed
    if locked.plans.current().exclude(offered_email="").count() >= MOST_OFFERS:
        raise errors.TooManyPlans("A listing has at most 200 open offers. Take some back first.")
    plan = _row(locked, terms, _next_position(locked))
    if not plan.is_served_within(consent, at):
        raise errors.PlanOutlivesConsent(valid_until=at_text(consent.valid_until))
    plan.offered_email, plan.offer_until = email, until
    plan.entry_id = submit_entry(
        kind="offer.made",
        body=entries.offer_made(
            seller=commit_subject(kind="person", subject_id=locked.seller.public_id),
            currency=plan.currency,
            plan=terms,
            offer_until=until,
        ),
        key=plan.public_id,
        at=at,
        refs=[str(plan.public_id), str(locked.public_id)],
    )
    plan.save()
    _tell_of_offer(plan, at)
    logger.info("offer.made", extra={"plan_id": plan.public_id})
    return plan


def _tell_of_offer(plan: Plan, at: datetime) -> None:
    known = EmailAddress.objects.filter(email__iexact=plan.offered_email, verified=True).select_related("user").first()
    if known is None or plan.offer_until is None:
        return
    facts: dict[str, str | int] = {
        "listing": str(plan.listing.public_id),
        "title": plan.listing.title,
        "price_micros": plan.price_micros,
        "currency": plan.currency,
        "until": plan.offer_until.isoformat(),
    }
    notify(user=known.user, kind=NoticeKind.OFFER, facts=facts, at=at, reference=plan.public_id)


@transaction.atomic
def forget_offers(*, emails: Collection[str], at: datetime) -> None:
    """Take back what was offered to a person who is erased, and forget the address."""
    for plan in Plan.objects.select_for_update().filter(offered_email__in=[email.lower() for email in emails]):
        plan.offered_email = f"{uuid.uuid4().hex}@erased.invalid"
        plan.retired_at = plan.retired_at or at
        plan.save(update_fields=["offered_email", "retired_at"])


def submit_terms(listing: Listing, *, number: int, at: datetime) -> uuid.UUID:
    """Submit the public terms as they stand now; each revision has an entry of its own."""
    plans = list(listing.plans.public())
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
            plans=[terms_of(plan) for plan in plans],
        ),
        key=uuid.uuid5(listing.public_id, str(number)),
        at=at,
        refs=[str(listing.public_id), str(listing.consent.public_id)],
    )


def check_promises(listing: Listing, at: datetime) -> None:
    """Ask of a draft's plans what somebody who bought at this moment would."""
    plans = list(listing.plans.public())
    check_no_conflict([terms_of(plan) for plan in plans])
    consent = listing.consent
    if not all(plan.is_served_within(consent, at) for plan in plans):
        raise errors.PlanOutlivesConsent(valid_until=at_text(consent.valid_until))


def locked_draft(listing: Listing) -> Listing:
    locked = Listing.objects.select_for_update().get(pk=listing.pk)
    if locked.published_at is not None:
        raise errors.ListingNotDraft
    return locked


def check_consent(seller: User, consent: Consent, at: datetime) -> None:
    locked = Consent.objects.select_for_update(no_key=True).get(pk=consent.pk)
    if locked.owner_id != seller.pk:
        raise errors.ConsentNotYours
    if not locked.is_active(at):
        raise ConsentNotActive


def _locked_for_sale(listing: Listing, at: datetime) -> Listing:
    """Hold off buyers, and check that the listing is published under a consent that holds."""
    hold_account(listing.seller)
    change_standing(listing.consent_id)
    locked = Listing.objects.select_for_update(no_key=True).get(pk=listing.pk)
    if locked.published_at is None:
        raise errors.ListingNotPublished
    if locked.withdrawn_at is not None:
        raise errors.ListingAlreadyWithdrawn
    check_consent(locked.seller, locked.consent, at)
    return locked


def _row(listing: Listing, terms: PlanTerms, position: int) -> Plan:
    return Plan(listing=listing, position=position, currency=settings.MARKET_CURRENCY, **asdict(terms))


def _next_position(listing: Listing) -> int:
    return (listing.plans.aggregate(last=Max("position"))["last"] or 0) + 1


def _publish_again(listing: Listing, at: datetime) -> None:
    """Call with the listing locked: nobody else can take the number then."""
    check_no_conflict([terms_of(plan) for plan in listing.plans.public()])
    _note_lowest_price(listing)
    number = listing.revisions.count() + 1
    entry_id = submit_terms(listing, number=number, at=at)
    ListingRevision.objects.create(listing=listing, number=number, entry_id=entry_id, published_at=at)
    logger.info("listing.repriced", extra={"listing_id": listing.public_id})


def _note_lowest_price(listing: Listing) -> None:
    """What the catalogue sorts by; of a metered plan the first month with 1,000 paid rows. A trial is no price.

    Call with the listing locked: whoever changes a plan holds its listing.
    """
    metered = When(kind=Plan.Kind.METERED, then=F("base_micros") + F("micros_per_1000_rows"))
    asked = Case(metered, default="price_micros", output_field=BigIntegerField())
    priced = Plan.objects.filter(listing=listing).public().exclude(kind=Plan.Kind.TRIAL)
    Listing.objects.filter(pk=listing.pk).update(from_micros=priced.aggregate(lowest=Min(asked))["lowest"])
