"""Consents as permission rows: who may read what, for what, until when, and what came of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import BigIntegerField, DateTimeField, Max, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.timezone import get_current_timezone

from marketplace.access.models import AccessToken
from marketplace.consents.models import Consent
from marketplace.delivery.models import Read
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import money_outlook
from marketplace.web.formats import end_text, money_text
from marketplace.web.narrowings import narrowings_of
from marketplace.web.records import WAITING, event, newest_first, seals_of
from marketplace.web.wording import (
    audience_text,
    delay_text,
    fields_text,
    first_fields_text,
    join_words,
    purpose_labels,
    resolution_label,
)


def with_results(consents: QuerySet[Consent, Consent]) -> QuerySet[Consent, Consent]:
    """Add earned_micros and last_read_at to each consent."""
    earned = (
        Purchase.objects.filter(listing__consent=OuterRef("pk"))
        .order_by()
        .values("listing__consent")
        .values_list(Sum("released_seller_micros"))
    )
    last_read = (
        Read.objects.filter(purchase__listing__consent=OuterRef("pk"))
        .order_by()
        .values("purchase__listing__consent")
        .values_list(Max("at"))
    )
    return consents.annotate(
        earned_micros=Coalesce(Subquery(earned, output_field=BigIntegerField()), 0),
        last_read_at=Subquery(last_read, output_field=DateTimeField()),
    )


def permission_rows(consents: QuerySet[Consent, Consent], *, at: datetime) -> list[dict[str, Any]]:
    """Return the rows of the Permission component in the order given, with one query for all seals."""
    found = list(with_results(consents).prefetch_related("named_buyers", "devices"))
    return rows_of_consents(found, at=at)


def rows_of_consents(consents: Sequence[Consent], *, at: datetime) -> list[dict[str, Any]]:
    """consents: from with_results."""
    newest = {consent.pk: consent.withdrawal_entry_id or consent.entry_id for consent in consents}
    seals = seals_of(newest.values())
    return [permission_row(consent, seals.get(newest[consent.pk], WAITING), at=at) for consent in consents]


def permission_row(consent: Any, seal: Any, *, at: datetime) -> dict[str, Any]:
    is_active = consent.is_active(at)
    return {
        "who": audience_text(consent),
        "for_what": join_words(purpose_labels(consent.purposes)),
        "fields_text": first_fields_text(consent.fields),
        "resolution_text": f"{resolution_label(consent.resolution)}, {delay_text(consent.delay_seconds)}",
        "devices_text": join_words([device.name for device in consent.devices.all()]),
        "until": consent.valid_until,
        "until_text": end_text(consent.valid_until, get_current_timezone()),
        "is_active": is_active,
        "is_over": not is_active and consent.withdrawn_at is None,
        "is_withdrawn": consent.withdrawn_at is not None,
        "last_read_at": consent.last_read_at,
        "earned_text": money_text(consent.earned_micros, settings.MARKET_CURRENCY),
        "address": reverse("consent_page", args=[consent.public_id]),
        "withdraw_address": reverse("consent_withdrawal", args=[consent.public_id]) if is_active else "",
        "seal_state": seal.state,
        "entry_number": seal.number,
    }


def withdrawal_effects(consent: Consent, *, at: datetime) -> dict[str, Any]:
    """What a withdrawal at this moment would stop."""
    listings = Listing.objects.filter(consent=consent, published_at__isnull=False, withdrawn_at=None)
    tokens = AccessToken.objects.filter(purchase__listing__consent=consent)
    purchases = Purchase.objects.filter(listing__consent=consent).active_at(at)
    return {
        "listing_count": listings.count(),
        "token_count": usable_count(tokens, at),
        "buyer_count": purchases.values("buyer").distinct().count(),
        "money": money_outlook(Purchase.objects.filter(listing__consent=consent), at),
        "currency": settings.MARKET_CURRENCY,
    }


def usable_count(tokens: QuerySet[AccessToken, AccessToken], at: datetime) -> int:
    return sum(token.is_usable(at) for token in tokens.filter(revoked_at=None, expires_at__gt=at))


def consent_timeline(consent: Consent) -> list[dict[str, Any]]:
    """What happened to a consent and to what stands on it, newest first."""
    listings = list(consent.listings.filter(published_at__isnull=False))
    narrowings = narrowings_of(consent)
    entry_ids = [consent.entry_id, consent.withdrawal_entry_id, *(change["entry_id"] for change in narrowings)]
    entry_ids += [entry_id for listing in listings for entry_id in (listing.entry_id, listing.withdrawal_entry_id)]
    seals = seals_of(entry_ids)
    events = [event("Granted", consent.granted_at, seal=seals[consent.entry_id])]
    events += [
        event("Narrowed", change["at"], note=change["text"], seal=seals[change["entry_id"]]) for change in narrowings
    ]
    for listing in listings:
        events.append(event(f"Listing published: {listing.title}", listing.published_at, seal=seals[listing.entry_id]))
        if listing.withdrawn_at:
            seal = seals[listing.withdrawal_entry_id]
            events.append(event(f"Listing withdrawn: {listing.title}", listing.withdrawn_at, seal=seal))
    if consent.withdrawn_at:
        note = "Every token and link under it is refused from then on."
        seal = seals[consent.withdrawal_entry_id]
        events.append(event("Withdrawn", consent.withdrawn_at, note=note, seal=seal))
    return newest_first(events)


def consent_terms(consent: Consent) -> list[tuple[str, str]]:
    """The terms in plain words, as label and text; dates are left to the page."""
    return [
        ("Who may buy", audience_text(consent)),
        ("Devices", join_words([f"{row.device.name} (as {row.pseudonym})" for row in members(consent)])),
        ("What may be read", fields_text(consent.fields)),
        ("How fine", resolution_label(consent.resolution)),
        ("How late", delay_text(consent.delay_seconds).capitalize()),
        ("What for", join_words(purpose_labels(consent.purposes))),
        *([("Not for", join_words(purpose_labels(consent.refused_purposes)))] if consent.refused_purposes else []),
        *([("Other people", "may be recorded, so readings are averaged")] if consent.records_others else []),
    ]


def members(consent: Consent) -> list[Any]:
    return list(consent.consent_devices.select_related("device"))
