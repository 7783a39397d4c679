"""The question of every door: what does this token open for this request? And what is written down when it is asked."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from marketplace.access import errors
from marketplace.access.delegation import DELEGATED_PREFIX, read_delegation
from marketplace.access.granting import (
    Grant,
    check_networks,
    delegated_token,
    find_token,
    inspect_token,
    note_use,
    open_token,
)
from marketplace.access.issuing import lock_purchase, revoke_token, write_token
from marketplace.access.models import AccessToken
from marketplace.access.oauth_tokens import end_short_token
from marketplace.access.rates import count_request

MOST_DELEGATED = 100


def authorise(*, token: str, at: datetime, address: str | None = None) -> Grant:
    """Return what a token opens, asking token, purchase, consent and listing afresh: no cache delays a withdrawal.

    address: where the request comes from; a token for certain networks is refused without one.
    Raises: TokenUnknown, TokenMalformed, TokenRevoked, TokenExpired, AccountClosed, ConsentWithdrawn, ConsentEnded,
    ListingWithdrawn, PurchaseEnded, PurchaseRefunded, NothingLeft, NetworkRefused, RateExceeded, TooManyDelegated.
    """
    grant = inspect_token(token=token, at=at)
    check_networks(grant.token, address)
    if not grant.token.is_saved:
        grant = open_token(_save_delegated(token, at), at)
    for one in grant.token.lineage():
        count_request(one, at)
    note_use(grant.token, at, address)
    return grant


def revoke_text(*, token: str, at: datetime) -> bool:
    """End the token that somebody presents, of whatever kind. False when there is none such."""
    if end_short_token(token):
        return True
    if token.startswith(DELEGATED_PREFIX):
        try:
            found: AccessToken | None = _save_delegated(token, at)
        except errors.TooManyDelegated:
            raise
        except errors.AccessError:
            return False
    else:
        found = find_token(token)
    if found is not None:
        revoke_token(token=found, at=at)
    return found is not None


@transaction.atomic
def _save_delegated(text: str, at: datetime) -> AccessToken:
    """Note a token that was passed on when it is first used: from then on its giver sees it, and may revoke it.

    Raises: TooManyDelegated, and what inspect_token raises.
    """
    delegation = read_delegation(text)
    lock_purchase(delegated_token(delegation).purchase)
    # Under the lock: another request may have been first.
    token = delegated_token(delegation)
    open_token(token, at)
    unsaved = [one for one in token.lineage() if not one.is_saved]
    root = list(token.lineage())[-1]
    others = AccessToken.objects.filter(
        purchase=root.purchase, kind=AccessToken.Kind.DELEGATED, revoked_at=None, expires_at__gt=at
    )
    if unsaved and others.count() + len(unsaved) > MOST_DELEGATED:
        raise errors.TooManyDelegated
    for one in reversed(unsaved):
        write_token(one, root.purchase, at)
    return token
