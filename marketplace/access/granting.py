"""What a token opens at this moment: the one question that every door asks."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, prefetch_related_objects

from marketplace.access import errors
from marketplace.access.delegation import DELEGATED_PREFIX, Delegation, read_delegation
from marketplace.access.models import LONGEST_NAME, AccessToken
from marketplace.access.narrowing import Narrowing, is_within, read_address
from marketplace.access.oauth_tokens import SHORT_PREFIX, find_short_token
from marketplace.access.token_rows import FoundBy, token_rows
from marketplace.accounts.errors import AccountErased
from marketplace.consents.models import Consent
from marketplace.listings.models import Listing
from marketplace.purchases.errors import TrialUsedUp, UsageCapReached, UsageNotCovered, UseEnded
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import count_rows, is_counted

_USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Grant:
    """What a token opens at the moment it was asked: these fields, in the devices' own names and the consent's order,
    in this window, window_until exclusive.

    expires_at: when it stops by itself; a renewal of the purchase may move it.
    row_cap_left: how many rows the token may still read, None when its rows are not limited.
    row_budgets: the primary keys of the tokens on whose limits its rows are counted.
    """

    token: AccessToken
    purchase: Purchase
    listing: Listing
    consent: Consent
    fields: tuple[str, ...]
    window_from: datetime | None
    window_until: datetime
    expires_at: datetime
    row_cap_left: int | None = None
    row_budgets: tuple[int, ...] = ()

    @property
    def is_counted(self) -> bool:
        """Whether its rows are paid or limited, so that each read has to be metered before it is delivered."""
        return is_counted(self.purchase) or bool(self.row_budgets)

    def with_window(self, window_from: datetime | None, window_until: datetime) -> Grant:
        """The same within another window of the purchase. Raises: NothingLeft."""
        return replace(
            self,
            window_from=max((one for one in (window_from, self.window_from) if one is not None), default=None),
            window_until=min([window_until, *_ends(self.token)]),
        )


def authorise_token_id(public_id: uuid.UUID, at: datetime, address: str | None = None) -> Grant:
    """Ask again for a token that was checked before, as a file link does. Raises what authorise raises.

    Without an address only the rest is asked: a stream's reader does not move.
    """
    row = _found("public_id", public_id)
    grant = open_token(row, at)
    if address is not None:
        check_networks(row, address)
    note_use(row, at, address)
    return grant


def authorise_all(public_ids: Collection[uuid.UUID], at: datetime) -> dict[uuid.UUID, Grant | errors.AccessError]:
    """Ask again for many tokens at once, with as many queries as for one: by public id what each opens, or why not."""
    # What many have in common is read once: by joins each would get a copy of its own.
    shared = ("family", "purchase__listing__consent", "purchase__buyer", "purchase__plan")
    tokens = list(AccessToken.objects.prefetch_related(*shared).filter(public_id__in=public_ids))
    prefetch_related_objects([one.purchase for one in tokens if one.purchase.plan.is_renewing], "followers")
    answers: dict[uuid.UUID, Grant | errors.AccessError] = dict.fromkeys(public_ids, errors.TokenUnknown())
    for token in tokens:
        try:
            answers[token.public_id] = open_token(_with_parents(token), at)
        except errors.AccessError as error:
            answers[token.public_id] = error
    used = [one for one in tokens if isinstance(answers[one.public_id], Grant) and _is_use_due(one, at)]
    if used:
        AccessToken.objects.filter(pk__in=[one.pk for one in used]).update(last_used_at=at)
    return answers


def inspect_token(*, token: str, at: datetime) -> Grant:
    """What a token opens, asked by somebody who does not use it. Raises what authorise raises of token and purchase.

    The token of one that was passed on and never used before is not saved.
    """
    if token.startswith(DELEGATED_PREFIX):
        return open_token(delegated_token(read_delegation(token)), at)
    if token.startswith(SHORT_PREFIX):
        short = find_short_token(token)
        if short is None:
            raise errors.TokenUnknown
        if short.expires <= at:
            raise errors.TokenExpired
        grant = open_token(_found("application_id", short.application_id), at)
        return replace(grant, expires_at=min(grant.expires_at, short.expires))
    return open_token(_found("token_hash", token_hash(token)), at)


def delegated_token(delegation: Delegation) -> AccessToken:
    """Return the row of the last block, each block's being part of the one before; those never seen are not saved.

    Raises: TokenUnknown.
    """
    token = _found("public_id", delegation.token_id)
    hashes = [hashlib.sha256(DELEGATED_PREFIX.encode() + block.mark).digest() for block in delegation.blocks]
    known = {bytes(row.token_hash): row for row in token_rows("token_hash", hashes)}
    for block, block_hash in zip(delegation.blocks, hashes, strict=True):
        row = known.get(block_hash) or narrowed_token(block.narrowing, "")
        if not row.is_saved:
            row.kind, row.purchase = AccessToken.Kind.DELEGATED, token.purchase
            row.token_hash, row.prefix = block_hash, DELEGATED_PREFIX + block.mark.hex()[:6]
            row.created_at = token.created_at
            row.expires_at = min(row.own_expires_at or token.expires_at, token.expires_at)
        row.parent = token
        token = row
    return token


def narrowed_token(narrowing: Narrowing, name: str) -> AccessToken:
    return AccessToken(
        name=" ".join(name.split())[:LONGEST_NAME],
        fields=None if narrowing.fields is None else list(narrowing.fields),
        window_from=narrowing.window_from,
        window_until=narrowing.window_until,
        own_expires_at=narrowing.expires_at,
        rate_per_minute=narrowing.rate_per_minute,
        row_cap=narrowing.row_cap,
        networks=list(narrowing.networks),
    )


@transaction.atomic
def meter_read(*, grant: Grant, row_count: int, at: datetime) -> None:
    """Count a read before it is delivered: every door asks this. Nothing is counted when it raises.

    Raises: UsageCapReached, UsageNotCovered, TrialUsedUp, AccountClosed, TokenRowsUsedUp.
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
    for pk in sorted(grant.row_budgets):
        room = AccessToken.objects.filter(pk=pk, row_count__lte=F("row_cap") - row_count)
        if not room.update(row_count=F("row_count") + row_count):
            raise errors.TokenRowsUsedUp


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


def check_terms(purchase: Purchase, at: datetime) -> None:
    """Raises what obstacle_to returns, and AccountClosed."""
    if not purchase.buyer.is_active:
        raise errors.AccountClosed
    obstacle = obstacle_to(purchase, at)
    if obstacle is not None:
        raise obstacle


def check_token(token: AccessToken, at: datetime) -> None:
    """Raises: TokenRevoked, TokenExpired."""
    if token.revoked_at is not None:
        raise errors.TokenRevoked
    if at >= token.ends_at:
        raise errors.TokenExpired


def check_client(token: AccessToken, at: datetime) -> None:
    """Whether an OAuth client may have a token now. Raises what authorise raises of token and purchase."""
    open_token(_found("id", token.pk), at)


def find_token(token: str) -> AccessToken | None:
    return AccessToken.objects.filter(token_hash=token_hash(token)).first()


def token_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _found(found_by: FoundBy, value: object) -> AccessToken:
    token = next(token_rows(found_by, [value]), None)
    if token is None:
        raise errors.TokenUnknown
    return _with_parents(token)


def _with_parents(token: AccessToken) -> AccessToken:
    if token.parent_id is not None:
        token.parent = _found("id", token.parent_id)
    return token


def open_token(token: AccessToken, at: datetime) -> Grant:
    lineage = list(token.lineage())
    for one in lineage:
        check_token(one, at)
    purchase, consent = token.purchase, token.purchase.listing.consent
    check_terms(purchase, at)
    fields = tuple(
        field for field in consent.fields if all(one.fields is None or field in one.fields for one in lineage)
    )
    if not fields:
        raise errors.NothingLeft
    budgets = [one.family or one for one in lineage if one.row_cap is not None]
    return Grant(
        token=token,
        purchase=purchase,
        listing=purchase.listing,
        consent=consent,
        fields=fields,
        window_from=_latest([purchase.window_from, *(one.window_from for one in lineage)]),
        window_until=min([purchase.last_term().window_until, *_ends(token)]),
        expires_at=min(one.ends_at for one in lineage),
        row_cap_left=min((row.row_cap - row.row_count for row in budgets if row.row_cap is not None), default=None),
        row_budgets=tuple(row.pk for row in budgets if row.is_saved),
    )


def _ends(token: AccessToken) -> list[datetime]:
    return [one.window_until for one in token.lineage() if one.window_until is not None]


def _latest(moments: Iterable[datetime | None]) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)


def check_networks(token: AccessToken, address: str | None) -> None:
    """Raises: NetworkRefused."""
    if not all(is_within(address, one.networks) for one in token.lineage() if one.networks):
        raise errors.NetworkRefused


def note_use(token: AccessToken, at: datetime, address: str | None) -> None:
    """At most one write a minute, so that reading stays a read."""
    if _is_use_due(token, at):
        known = read_address(address)
        used: dict[str, object] = {"last_used_at": at} | ({"last_used_from": str(known)} if known else {})
        AccessToken.objects.filter(pk=token.pk).update(**used)


def _is_use_due(token: AccessToken, at: datetime) -> bool:
    return token.last_used_at is None or at - token.last_used_at >= _USE_NOTED_EVERY
