from __future__ import annotations

import base64
import hashlib
import logging
import secrets
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Q

from ledger.services import commit_subject, find_entry, submit_entry
from marketplace.access import entries, errors
from marketplace.access.models import AccessToken
from marketplace.accounts.errors import AccountErased
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.listings.models import Listing
from marketplace.listings.services import share_terms
from marketplace.purchases.errors import TrialUsedUp, UsageCapReached, UsageNotCovered, UseEnded
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import count_rows, latest_access

logger = logging.getLogger(__name__)

TOKEN_PREFIX = "osm_"  # noqa: S105 - the readable start of every token, which secret scanners look for.
MOST_TOKENS = 10
_SHOWN_CHARACTERS = 10
_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Grant:
    """What a token opens at the moment it was asked: these fields, in the devices' own names and the consent's order,
    in this window, window_until exclusive.
    """

    token: AccessToken
    purchase: Purchase
    listing: Listing
    consent: Consent
    fields: tuple[str, ...]
    window_from: datetime | None
    window_until: datetime


@transaction.atomic
def issue_token(*, purchase: Purchase, at: datetime) -> tuple[AccessToken, str]:
    """Make a token of a purchase that is recorded in a signed checkpoint. The text is returned once and never kept.

    Raises: PurchaseNotRecorded, AccountClosed, ConsentWithdrawn, ConsentEnded, ListingWithdrawn, PurchaseEnded,
    TooManyTokens.
    """
    locked = _locked_purchase(purchase)
    _check_purchase(locked, at)
    _check_room(locked, at)
    return _make_token(locked, at, replaces=None)


@transaction.atomic
def rotate_token(*, token: AccessToken, at: datetime) -> tuple[AccessToken, str]:
    """Replace a working token. The old one works for another ten minutes, so that no running client fails.

    Raises: TokenRevoked, TokenExpired (also when it was replaced before), and what issue_token raises.
    """
    purchase = _locked_purchase(token.purchase)
    locked = AccessToken.objects.select_for_update(no_key=True).get(pk=token.pk)
    _check_token(locked, at)
    if locked.replaced_at is not None:
        raise errors.TokenExpired("This access token was replaced already.")
    _check_purchase(purchase, at)
    _check_room(purchase, at)
    locked.replaced_at = at
    locked.save(update_fields=["replaced_at"])
    return _make_token(purchase, at, replaces=locked)


@transaction.atomic
def revoke_token(*, token: AccessToken, at: datetime) -> AccessToken:
    """End a token now, and those that it replaced with it. A revoked token is returned as it is."""
    _locked_purchase(token.purchase)
    locked = AccessToken.objects.select_for_update(no_key=True).get(pk=token.pk)
    if locked.revoked_at is None:
        _revoke(locked, at)
    older = locked.replaces
    while older is not None and older.is_usable(at):
        _revoke(older, at)
        older = older.replaces
    return locked


@transaction.atomic
def end_tokens(*, buyer: User, at: datetime) -> None:
    """Revoke every token of a person whose purchases are locked, and forget what the tokens looked like."""
    for token in AccessToken.objects.filter(purchase__buyer=buyer).select_for_update(of=("self",), no_key=True):
        if token.is_usable(at):
            _revoke(token, at)
        token.token_hash, token.prefix = secrets.token_bytes(32), ""
        token.save(update_fields=["token_hash", "prefix"])


def authorise(*, token: str, at: datetime) -> Grant:
    """Return what a token opens, asking token, purchase, consent and listing afresh: no cache delays a withdrawal.

    Raises: TokenUnknown, TokenRevoked, TokenExpired, AccountClosed, ConsentWithdrawn, ConsentEnded, ListingWithdrawn,
    PurchaseEnded.
    """
    return _grant(Q(token_hash=token_hash(token)), at)


def authorise_token_id(public_id: uuid.UUID, at: datetime) -> Grant:
    """Ask again for a token that was checked before, as a file link does. Raises what authorise raises."""
    return _grant(Q(public_id=public_id), at)


def authorise_all(public_ids: Collection[uuid.UUID], at: datetime) -> dict[uuid.UUID, Grant | errors.AccessError]:
    """Ask again for many tokens at once, with as many queries as for one: by public id what each opens, or why not."""
    rows = _token_rows().prefetch_related("purchase__followers").filter(public_id__in=public_ids)
    answers: dict[uuid.UUID, Grant | errors.AccessError] = dict.fromkeys(public_ids, errors.TokenUnknown())
    for token in rows:
        try:
            answers[token.public_id] = _open(token, at)
        except errors.AccessError as error:
            answers[token.public_id] = error
    return answers


def meter_read(*, grant: Grant, row_count: int, at: datetime) -> None:
    """Count a read before it is delivered: every door asks this.

    Raises: UsageCapReached, UsageNotCovered, TrialUsedUp, AccountClosed.
    """
    try:
        count_rows(purchase=grant.purchase, row_count=row_count, at=at)
    except UsageCapReached as error:
        raise errors.UsageCapReached from error
    except UsageNotCovered as error:
        raise errors.UsageNotCovered from error
    except TrialUsedUp as error:
        raise errors.TrialUsedUp from error
    except UseEnded as error:
        rows = Purchase.objects.select_related("listing__consent", "plan")
        raise (obstacle_to(rows.get(pk=grant.purchase.pk), at) or errors.PurchaseEnded()) from error
    except AccountErased as error:
        raise errors.AccountClosed from error


def obstacle_to(purchase: Purchase, at: datetime) -> errors.AccessError | None:
    """Why what was bought can't be read any more, whatever token one has; None when it can.

    A withdrawal counts from the moment that its row says so, whatever this machine's clock thinks of its time.
    """
    listing, consent = purchase.listing, purchase.listing.consent
    if consent.withdrawn_at is not None:
        return errors.ConsentWithdrawn()
    if listing.withdrawn_at is not None:
        return errors.ListingWithdrawn()
    if purchase.ended_at is not None:
        return errors.PurchaseRefunded()
    if at < access_ends_at(purchase):
        return None
    return errors.ConsentEnded() if consent.valid_until <= purchase.last_term().access_until else errors.PurchaseEnded()


def access_ends_at(purchase: Purchase) -> datetime:
    """Until when its data may be read unless somebody withdraws, all renewals until now counted in.

    Purchases of before promised more than the consent.
    """
    return min(purchase.last_term().access_until, purchase.listing.consent.valid_until)


def find_token(token: str) -> AccessToken | None:
    return AccessToken.objects.filter(token_hash=token_hash(token)).first()


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _grant(found_by: Q, at: datetime) -> Grant:
    token = _token_rows().filter(found_by).first()
    if token is None:
        raise errors.TokenUnknown
    return _open(token, at)


def _token_rows() -> models.QuerySet[AccessToken]:
    return AccessToken.objects.select_related("purchase__listing__consent", "purchase__buyer", "purchase__plan")


def _open(token: AccessToken, at: datetime) -> Grant:
    _check_token(token, at)
    purchase = token.purchase
    _check_terms(purchase, at)
    _note_use(token, at)
    return Grant(
        token=token,
        purchase=purchase,
        listing=purchase.listing,
        consent=purchase.listing.consent,
        fields=tuple(purchase.listing.consent.fields),
        window_from=purchase.window_from,
        window_until=purchase.last_term().window_until,
    )


def _check_token(token: AccessToken, at: datetime) -> None:
    if token.revoked_at is not None:
        raise errors.TokenRevoked
    if at >= token.ends_at:
        raise errors.TokenExpired


def _check_terms(purchase: Purchase, at: datetime) -> None:
    if not purchase.buyer.is_active:
        raise errors.AccountClosed
    obstacle = obstacle_to(purchase, at)
    if obstacle is not None:
        raise obstacle


def _check_purchase(purchase: Purchase, at: datetime) -> None:
    if find_entry(purchase.entry_id) is None:
        raise errors.PurchaseNotRecorded
    _check_terms(purchase, at)


def _check_room(purchase: Purchase, at: datetime) -> None:
    """A replaced token counts while it still works, or a chain of rotations would make any number of them."""
    if sum(token.is_usable(at) for token in purchase.tokens.all()) >= MOST_TOKENS:
        raise errors.TooManyTokens


def _locked_purchase(purchase: Purchase) -> Purchase:
    """Share its terms, so that no withdrawal slips between, then lock the purchase, which serialises its tokens."""
    share_terms(purchase.listing)
    locked = Purchase.objects.select_for_update(no_key=True).get(pk=purchase.pk)
    locked.listing = Listing.objects.select_related("consent", "seller").get(pk=locked.listing_id)
    return locked


def _make_token(purchase: Purchase, at: datetime, replaces: AccessToken | None) -> tuple[AccessToken, str]:
    text = TOKEN_PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    public_id = uuid.uuid4()
    expires_at = latest_access(purchase)
    token = AccessToken.objects.create(
        public_id=public_id,
        purchase=purchase,
        token_hash=token_hash(text),
        prefix=text[:_SHOWN_CHARACTERS],
        created_at=at,
        expires_at=expires_at,
        replaces=replaces,
        entry_id=submit_entry(
            kind="access.granted",
            body=entries.access_granted(**_parties(purchase), expires_at=expires_at, is_rotation=replaces is not None),
            key=public_id,
            at=at,
            refs=_refs(public_id, purchase),
        ),
    )
    logger.info("access.granted", extra={"token_id": public_id, "purchase_id": purchase.public_id})
    return token, text


def _revoke(token: AccessToken, at: datetime) -> None:
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


def _note_use(token: AccessToken, at: datetime) -> None:
    """At most one write a minute, so that reading stays a read."""
    if token.last_used_at is None or at - token.last_used_at >= _USE_NOTED_EVERY:
        AccessToken.objects.filter(pk=token.pk).update(last_used_at=at)
