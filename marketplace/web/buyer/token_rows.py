"""A purchase's tokens as their holder sees them: what each may do, and what was done with it."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Any

from django.db.models import Count, Sum
from django.utils import timezone

from marketplace.access.models import AccessToken
from marketplace.purchases.models import Purchase
from marketplace.web.formats import exact_text
from marketplace.web.records import seals_of


def token_rows(purchase: Purchase, at: datetime, *, is_over: bool) -> list[dict[str, Any]]:
    """is_over: nothing can be read under this purchase, whatever its tokens say."""
    found = AccessToken.objects.filter(purchase=purchase).select_related("family", "parent__parent__parent__parent")
    tokens = list(found.annotate(read_total=Count("reads"), row_total=Sum("reads__row_count")))
    seals = seals_of(entry_id for token in tokens for entry_id in (token.entry_id, token.revocation_entry_id))
    zone = timezone.get_current_timezone()
    return [
        {
            "token": token,
            "seal": seals[token.entry_id],
            "revocation_seal": seals.get(token.revocation_entry_id),
            "is_usable": is_usable(token, at) and not is_over,
            "is_own": token.kind == AccessToken.Kind.BEARER and token.replaced_at is None,
            "state": token_state(token, at, is_over=is_over),
            "kind": "" if token.kind == AccessToken.Kind.BEARER else token.get_kind_display(),
            "limits": limit_words(token, zone),
        }
        for token in tokens
    ]


def is_usable(token: AccessToken, at: datetime) -> bool:
    """Of one that was passed on: whether all that it is a part of work, too."""
    return all(one.is_usable(at) for one in token.lineage())


def token_state(token: AccessToken, at: datetime, *, is_over: bool) -> str:
    if token.revoked_at is not None:
        return "revoked"
    if token.replaced_at and (is_over or at >= token.ends_at):
        return "replaced"
    if is_over or not is_usable(token, at):
        return "ended"
    return "replaced, works a few minutes more" if token.replaced_at else "works"


def limit_words(token: AccessToken, zone: tzinfo) -> list[str]:
    """What the token is narrowed to, a few words for each limit; nothing when it opens all that was bought."""
    words = []
    if token.fields is not None:
        words.append(f"only {', '.join(token.fields)}" if token.fields else "no field")
    if token.window_from is not None:
        words.append(f"readings from {exact_text(token.window_from, zone)}")
    if token.window_until is not None:
        words.append(f"readings until {exact_text(token.window_until, zone)}")
    if token.row_cap is not None:
        words.append(f"{(token.family or token).row_count:,} of {token.row_cap:,} rows read")
    if token.rate_per_minute is not None:
        words.append(f"{token.rate_per_minute:,} requests a minute")
    if token.networks:
        words.append(f"from {', '.join(token.networks)}")
    return words
