"""Move money and answer what is there. All amounts are integer micros."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models import Q, Sum

from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import notify
from marketplace.wallet import providers
from marketplace.wallet.errors import (
    AmountNotPositive,
    IdempotencyConflict,
    InsufficientFunds,
    ProviderUnknown,
    TopUpSettled,
    UnbalancedTransfer,
)
from marketplace.wallet.models import Account, Posting, TopUp, Transfer

logger = logging.getLogger(__name__)

# What the database's integers hold.
MOST_MICROS = 2**63 - 1

_POST = """
    SELECT id, public_id, idempotency_key, kind, reference, at FROM wallet_post(
        %s::uuid[], %s::text[], %s::uuid[], %s::timestamptz[], %s::int[], %s::bigint[], %s::bigint[]
    )
"""
_COLUMNS = ("id", "public_id", "idempotency_key", "kind", "reference", "at")


@dataclass(frozen=True)
class TransferDraft:
    """A transfer to post. postings: account and amount, negative where the account pays; they sum to zero."""

    idempotency_key: UUID
    kind: str
    postings: Sequence[tuple[Account, int]]
    reference: UUID | None
    at: datetime


def account_of(user: User, kind: str = Account.Kind.WALLET) -> Account:
    """Return a person's wallet, payable or escrow in the market's currency; it is made on first use."""
    return Account.objects.get_or_create(owner=user, kind=Account.Kind(kind), currency=settings.MARKET_CURRENCY)[0]


def market_account(kind: str) -> Account:
    """Return one of the market's own accounts (market_fee, tax, rounding, provider); it is made on first use."""
    return Account.objects.get_or_create(owner=None, kind=Account.Kind(kind), currency=settings.MARKET_CURRENCY)[0]


def accounts_of(*, owned: Sequence[tuple[User, str]], kinds: Sequence[str] = ()) -> list[Account]:
    """Return people's accounts, each of a kind, then the market's of these kinds: one query once all are there."""
    wanted = {(kind, person.pk): person for person, kind in owned}
    of_people = Q(kind__in={kind for kind, _ in wanted}, owner__in={pk for _, pk in wanted})
    found: dict[tuple[str, int | None], Account] = {
        (account.kind, account.owner_id): account
        for account in Account.objects.filter(
            of_people | Q(kind__in=kinds, owner=None), currency=settings.MARKET_CURRENCY
        )
    }
    # What is missing is made in one order, people's first: two people's first purchases from each other would else wait
    # in a circle for the accounts that the other is making.
    for kind, pk in sorted(wanted.keys() - found.keys(), key=lambda name: (name[1], name[0])):
        found[kind, pk] = account_of(wanted[kind, pk], kind)
    for kind in sorted(kinds):
        if (kind, None) not in found:
            found[kind, None] = market_account(kind)
    return [found[kind, person.pk] for person, kind in owned] + [found[kind, None] for kind in kinds]


def balance_micros(account: Account) -> int:
    return Account.objects.with_balance().get(pk=account.pk).balance_micros


def earned_micros(user: User, *, since: datetime) -> int:
    """What became the person's own of what buyers paid, from a moment on."""
    earned = Posting.objects.filter(
        account__owner=user,
        account__kind=Account.Kind.PAYABLE,
        account__currency=settings.MARKET_CURRENCY,
        transfer__kind=Transfer.Kind.RELEASE,
        transfer__at__gte=since,
    )
    return earned.aggregate(total=Sum("amount_micros"))["total"] or 0


def paid_out_micros(user: User) -> int:
    """What left a person's earnings for the person's bank, less what came back."""
    paid_out = Posting.objects.filter(
        account__owner=user,
        account__kind=Account.Kind.PAYABLE,
        account__currency=settings.MARKET_CURRENCY,
        transfer__kind__in=[Transfer.Kind.PAYOUT, Transfer.Kind.PAYOUT_RETURN],
    )
    return -(paid_out.aggregate(total=Sum("amount_micros"))["total"] or 0)


def post_transfer(
    *,
    idempotency_key: UUID,
    kind: str,
    postings: Sequence[tuple[Account, int]],
    reference: UUID | None,
    at: datetime,
) -> Transfer:
    """Post one transfer; see post_transfers."""
    draft = TransferDraft(idempotency_key, kind, postings, reference, at)
    return post_transfers([draft])[0]


def post_transfers(drafts: Sequence[TransferDraft]) -> list[Transfer]:
    """Post transfers, all or none, and return them in the order given.

    A draft whose idempotency key is known moves nothing again: the transfer that was posted then is returned.
    Call it once per transaction: two calls would take wallets out of order, and opposite payments could deadlock.
    Raises: InsufficientFunds, UnbalancedTransfer, IdempotencyConflict (the key is known with other content).
    """
    keys = [draft.idempotency_key for draft in drafts]
    if len(set(keys)) < len(keys):
        raise IdempotencyConflict("Two transfers of one call carry the same key.")
    lines = [(ordinal, *line) for ordinal, draft in enumerate(drafts, start=1) for line in draft.postings]
    arrays: list[Any] = [
        keys,
        [str(draft.kind) for draft in drafts],
        [draft.reference for draft in drafts],
        [draft.at for draft in drafts],
        [ordinal for ordinal, _, _ in lines],
        [account.pk for _, account, _ in lines],
        [amount for _, _, amount in lines],
    ]
    # One statement is a transaction by itself; inside another one a refusal must leave that one usable.
    with transaction.atomic() if connection.in_atomic_block else nullcontext():
        try:
            with connection.cursor() as cursor:
                cursor.execute(_POST, arrays)
                return [Transfer.from_db(connection.alias, _COLUMNS, row) for row in cursor.fetchall()]
        except DatabaseError as error:
            raise _refusal(error) from error


def _refusal(error: DatabaseError) -> Exception:
    """Translate the SQLSTATEs of migration 0002; anything else stays what it is."""
    diagnosis = getattr(error.__cause__, "diag", None)
    state = getattr(diagnosis, "sqlstate", None)
    if diagnosis is None or state not in {"WA001", "WA002", "WA003"}:
        return error
    if state == "WA001":
        return InsufficientFunds(missing_micros=int(diagnosis.message_detail))
    return UnbalancedTransfer() if state == "WA002" else IdempotencyConflict()


@transaction.atomic
def start_top_up(*, user: User, amount_micros: int, at: datetime, idempotency_key: UUID | None = None) -> TopUp:
    """Ask the payment provider for money. Nothing moves before it says that the person paid.

    Raises: ProviderUnknown, AmountOutOfRange, AmountNotWholeCents, IdempotencyConflict.
    """
    hold_account(user)
    providers.check_amount(amount_micros)
    fields = {
        "amount_micros": amount_micros,
        "currency": settings.MARKET_CURRENCY,
        "provider": providers.configured(),
        "created_at": at,
    }
    if idempotency_key is None:
        return TopUp.objects.create(user=user, **fields)
    top_up, _ = TopUp.objects.get_or_create(user=user, idempotency_key=idempotency_key, defaults=fields)
    if top_up.amount_micros != amount_micros:
        raise IdempotencyConflict
    return top_up


@transaction.atomic
def settle_top_up(*, top_up: TopUp, outcome: str, at: datetime) -> TopUp:
    """Take in what the provider says about a top-up: "pay" brings the money, "decline" closes it without.

    Hearing the same twice changes nothing. Raises: TopUpSettled when it was settled the other way before, and
    ProviderUnknown when its provider is not connected (any more).
    """
    if top_up.provider != providers.configured():
        raise ProviderUnknown
    top_up = TopUp.objects.select_for_update(no_key=True).select_related("user").get(pk=top_up.pk)
    state = providers.state_after(outcome)
    if top_up.state != TopUp.State.PENDING:
        if top_up.state != state:
            raise TopUpSettled
        return top_up
    if state == TopUp.State.PAID:
        book_top_up(top_up, at=at)
    else:
        decline_top_up(top_up, at=at)
    return top_up


def book_top_up(top_up: TopUp, *, at: datetime) -> Transfer:
    """Bring the money of a locked top-up, in the running transaction."""
    wallet, provider = accounts_of(owned=[(top_up.user, Account.Kind.WALLET)], kinds=[Account.Kind.PROVIDER])
    transfer = post_transfer(
        idempotency_key=top_up.public_id,
        kind=Transfer.Kind.TOP_UP,
        postings=[(provider, -top_up.amount_micros), (wallet, top_up.amount_micros)],
        reference=top_up.public_id,
        at=at,
    )
    top_up.transfer = transfer
    _close_top_up(top_up, TopUp.State.PAID, at)
    return transfer


def decline_top_up(top_up: TopUp, *, at: datetime) -> None:
    """Close a locked top-up without money, in the running transaction."""
    _close_top_up(top_up, TopUp.State.DECLINED, at)
    # No purchase and no title: it is money that should have come into the wallet.
    facts = {"purchase": "", "title": "", "reason": "declined"}
    notify(user=top_up.user, kind=NoticeKind.PAYMENT_FAILURE, facts=facts, at=at, reference=top_up.public_id)


def _close_top_up(top_up: TopUp, state: TopUp.State, at: datetime) -> None:
    top_up.state, top_up.settled_at = state, at
    top_up.save(update_fields=["state", "settled_at", "transfer"])
    logger.info("top_up.settled", extra={"top_up_id": str(top_up.public_id), "state": str(state)})


@transaction.atomic
def move_earnings(*, user: User, amount_micros: int | None, idempotency_key: UUID, at: datetime) -> Transfer:
    """Move what a seller earned to the seller's own wallet, to be spent here. Without an amount: all of it.

    A repeat with the same key moves nothing again. Raises: AmountNotPositive, InsufficientFunds, IdempotencyConflict.
    """
    hold_account(user)
    # Keys of people are theirs alone: nobody learns of another's transfers by trying keys.
    key = uuid5(user.public_id, f"to wallet {idempotency_key}")
    wallet, payable = accounts_of(owned=[(user, Account.Kind.WALLET), (user, Account.Kind.PAYABLE)])
    if amount_micros is None:
        earlier = Transfer.objects.filter(idempotency_key=key).first()
        if earlier is not None:
            return earlier
        amount_micros = balance_micros(payable)
    if not 0 < amount_micros <= MOST_MICROS:
        raise AmountNotPositive
    return post_transfer(
        idempotency_key=key,
        kind=Transfer.Kind.TO_WALLET,
        postings=[(payable, -amount_micros), (wallet, amount_micros)],
        reference=None,
        at=at,
    )


def erase_top_ups(*, user: User) -> None:
    """Delete a person's top-ups that brought no money. Those that did stay: they belong to the books."""
    own = TopUp.objects.filter(user=user)
    own.exclude(state=TopUp.State.PAID).delete()
    own.update(idempotency_key=None)


def roll_up_balances(*, at_least: int = 1000) -> int:
    """Add the waiting changes of every account that has at least so many into its balance. Returns how many accounts.

    Reading a balance sums the waiting changes, so this only keeps reading fast; it changes no balance.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT account_id FROM wallet_balancechange GROUP BY account_id HAVING count(*) >= %s", [at_least]
        )
        accounts = [row[0] for row in cursor.fetchall()]
        for account in accounts:
            # One statement and so one short lock an account: payers of the others do not wait.
            cursor.execute("SELECT wallet_roll_up(%s::bigint[])", [[account]])
    return len(accounts)


def unsound_accounts() -> list[int]:
    """Return the ids of accounts whose kept balance differs from the sum of their postings. Empty when all is well."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT a.id FROM wallet_account a WHERE
                a.rolled_micros
                + (SELECT coalesce(sum(amount_micros), 0) FROM wallet_balancechange WHERE account_id = a.id)
                <> (SELECT coalesce(sum(amount_micros), 0) FROM wallet_posting WHERE account_id = a.id)
            ORDER BY a.id
            """
        )
        return [row[0] for row in cursor.fetchall()]
