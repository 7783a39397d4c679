"""Make, replace and end tokens. Each act is in the log."""

from __future__ import annotations

import base64
import logging
import secrets
import uuid
from datetime import datetime

from django.db import transaction

from ledger.services import commit_subject, find_entry, submit_entry
from marketplace.access import entries, errors
from marketplace.access.delegation import delegable_text
from marketplace.access.granting import check_terms, check_token, narrowed_token, token_hash
from marketplace.access.models import AccessToken
from marketplace.access.narrowing import WIDE, Narrowing, check_narrowing
from marketplace.access.oauth_tokens import forget_client
from marketplace.access.succession import TOKEN_PREFIX, successor_texts
from marketplace.accounts.models import User
from marketplace.listings.models import Listing
from marketplace.listings.services import share_terms
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import latest_access

logger = logging.getLogger(__name__)

MOST_TOKENS = 10
_SHOWN_CHARACTERS = 10


@transaction.atomic
def issue_token(
    *, purchase: Purchase, at: datetime, name: str = "", narrowing: Narrowing = WIDE
) -> tuple[AccessToken, str]:
    """Make a token of a purchase that is recorded in a signed checkpoint. The text is returned once and never kept.

    Raises: PurchaseNotRecorded, AccountClosed, ConsentWithdrawn, ConsentEnded, ListingWithdrawn, PurchaseEnded,
    NarrowingInvalid, TokenTooWide, TooManyTokens.
    """
    locked = lock_purchase(purchase)
    check_issuing(locked, narrowing, at)
    text = TOKEN_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    token = narrowed_token(narrowing, name)
    token.token_hash, token.prefix = token_hash(text), text[:_SHOWN_CHARACTERS]
    return write_token(token, locked, at), text


@transaction.atomic
def rotate_token(*, token: AccessToken, at: datetime) -> tuple[AccessToken, str]:
    """Replace a working token. The old one works for another ten minutes, so that no running client fails.

    Whoever asks again meanwhile, at once or later, gets the same successor, as long as that one is not revoked.
    Raises: TokenRevoked, TokenExpired, and what issue_token raises.
    """
    purchase = lock_purchase(token.purchase)
    locked = AccessToken.objects.select_for_update(no_key=True).get(pk=token.pk)
    if locked.kind != AccessToken.Kind.BEARER:
        raise errors.NotRotatable
    check_token(locked, at)
    _check_purchase(purchase, at)
    successor = AccessToken.objects.filter(replaces=locked).first()
    if successor is not None:
        return successor, _text_of(successor, locked, at)
    _check_room(purchase, at)
    locked.replaced_at = at
    locked.save(update_fields=["replaced_at"])
    text = successor_texts(locked)[0]
    successor = AccessToken(
        name=locked.name,
        family_id=locked.family_pk,
        fields=locked.fields,
        window_from=locked.window_from,
        window_until=locked.window_until,
        own_expires_at=locked.own_expires_at,
        rate_per_minute=locked.rate_per_minute,
        row_cap=locked.row_cap,
        networks=locked.networks,
        replaces=locked,
        token_hash=token_hash(text),
        prefix=text[:_SHOWN_CHARACTERS],
    )
    return write_token(successor, purchase, at), text


def delegable_token(*, token: AccessToken, at: datetime) -> str:
    """Return what its holder narrows and passes on. It opens nothing before it is narrowed, and is kept nowhere.

    Raises: NotDelegable, TokenRevoked, TokenExpired, and what issue_token raises of the purchase.
    """
    if token.kind != AccessToken.Kind.BEARER or token.replaced_at is not None:
        raise errors.NotDelegable
    check_token(token, at)
    _check_purchase(token.purchase, at)
    return delegable_text(token.public_id)


@transaction.atomic
def revoke_token(*, token: AccessToken, at: datetime) -> AccessToken:
    """End a token now, with those that it replaced, and those that replaced it: whoever has it could follow them.

    A revoked token is returned as it is.
    """
    lock_purchase(token.purchase)
    locked = AccessToken.objects.select_for_update(no_key=True).get(pk=token.pk)
    if locked.revoked_at is None:
        revoke_locked(locked, at)
    older = locked.replaces
    while older is not None and older.is_usable(at):
        revoke_locked(older, at)
        older = older.replaces
    newer = AccessToken.objects.filter(replaces=locked).first()
    while newer is not None:
        if newer.is_usable(at):
            revoke_locked(newer, at)
        newer = AccessToken.objects.filter(replaces=newer).first()
    return locked


@transaction.atomic
def end_tokens(*, buyer: User, at: datetime) -> None:
    """Revoke every token of a person whose purchases are locked; forget what they looked like and where they worked."""
    rows = AccessToken.objects.filter(purchase__buyer=buyer).select_related("application")
    for token in rows.select_for_update(of=("self",), no_key=True):
        if token.is_usable(at):
            revoke_locked(token, at)
        if token.application is not None:
            forget_client(token.application)
        token.token_hash, token.prefix, token.name = secrets.token_bytes(32), "", ""
        token.networks, token.last_used_from = [], None
        token.save(update_fields=["token_hash", "prefix", "name", "networks", "last_used_from"])


def check_issuing(purchase: Purchase, narrowing: Narrowing, at: datetime) -> None:
    """Whether a locked purchase may have one more token, as narrow as this. Raises what issue_token raises."""
    _check_purchase(purchase, at)
    _check_narrowing(purchase, narrowing, at)
    _check_room(purchase, at)


def _check_purchase(purchase: Purchase, at: datetime) -> None:
    if find_entry(purchase.entry_id) is None:
        raise errors.PurchaseNotRecorded
    check_terms(purchase, at)


def _check_room(purchase: Purchase, at: datetime) -> None:
    """A replaced token counts while it still works, or a chain of rotations would make any number of them."""
    own = purchase.tokens.exclude(kind=AccessToken.Kind.DELEGATED)
    if sum(token.is_usable(at) for token in own) >= MOST_TOKENS:
        raise errors.TooManyTokens


def lock_purchase(purchase: Purchase) -> Purchase:
    """Share its terms, so that no withdrawal slips between, then lock the purchase, which serialises its tokens."""
    share_terms(purchase.listing)
    locked = Purchase.objects.select_for_update(no_key=True).get(pk=purchase.pk)
    locked.listing = Listing.objects.select_related("consent", "seller").get(pk=locked.listing_id)
    return locked


def _check_narrowing(purchase: Purchase, narrowing: Narrowing, at: datetime) -> None:
    """Raises: NarrowingInvalid, TokenTooWide."""
    check_narrowing(narrowing, at)
    consent, ends_at = purchase.listing.consent, latest_access(purchase)
    if narrowing.fields is not None and not set(narrowing.fields) <= set(consent.fields):
        raise errors.TokenTooWide("A field that you chose is not part of what was bought.", field="fields")
    if narrowing.expires_at is not None and narrowing.expires_at > ends_at:
        raise errors.TokenTooWide("The token would outlive the purchase.", field="expires_at")
    if narrowing.window_from and purchase.window_from and narrowing.window_from < purchase.window_from:
        raise errors.TokenTooWide("The window begins before that of the purchase.", field="window_from")
    if narrowing.window_until is not None and narrowing.window_until > max(ends_at, purchase.last_term().window_until):
        raise errors.TokenTooWide("The window ends after that of the purchase.", field="window_until")


def _text_of(successor: AccessToken, replaced: AccessToken, at: datetime) -> str:
    check_token(successor, at)
    for text in successor_texts(replaced):
        if token_hash(text) == bytes(successor.token_hash):
            return text
    # The server's secret was changed in these ten minutes, or the successor is of before texts were derived.
    raise errors.TokenExpired("This access token was replaced already.")


def write_token(token: AccessToken, purchase: Purchase, at: datetime) -> AccessToken:
    """Put a new row, which knows what it will be presented as, into the table and the log."""
    token.purchase, token.created_at = purchase, at
    ends_at = latest_access(purchase) if token.parent is None else token.parent.expires_at
    token.expires_at = min(token.own_expires_at or ends_at, ends_at)
    token.entry_id = submit_entry(
        kind="access.granted",
        body=entries.access_granted(**_parties(purchase), expires_at=token.expires_at, reason=_reason(token)),
        key=token.public_id,
        at=at,
        refs=_refs(token.public_id, purchase),
    )
    token.save(force_insert=True)
    logger.info("access.granted", extra={"token_id": token.public_id, "purchase_id": purchase.public_id})
    return token


def _reason(token: AccessToken) -> str:
    """Why a token is made, in the words of the log."""
    if token.replaces_id is not None:
        return "rotation"
    return {AccessToken.Kind.CLIENT: "client", AccessToken.Kind.DELEGATED: "delegation"}.get(
        AccessToken.Kind(token.kind), "purchase"
    )


def revoke_locked(token: AccessToken, at: datetime) -> None:
    token.revoked_at = at
    token.revocation_entry_id = submit_entry(
        kind="access.revoked",
        body=entries.access_revoked(**_parties(token.purchase)),
        key=token.public_id,
        at=at,
        refs=_refs(token.public_id, token.purchase),
    )
    token.save(update_fields=["revoked_at", "revocation_entry_id"])
    logger.info("access.revoked", extra={"token_id": token.public_id})


def _parties(purchase: Purchase) -> dict[str, str]:
    return {
        "buyer": commit_subject(kind="person", subject_id=purchase.buyer.public_id),
        "seller": commit_subject(kind="person", subject_id=purchase.listing.seller.public_id),
    }


def _refs(token_id: uuid.UUID, purchase: Purchase) -> list[str]:
    listing = purchase.listing
    return [str(token_id), str(purchase.public_id), str(listing.public_id), str(listing.consent.public_id)]
