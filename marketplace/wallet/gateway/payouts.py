"""Pay sellers what they earned.

Money is never both here and there. It leaves the earnings in the transaction that asks for the payout, and comes back
in the one that says it failed, after the provider gave it back. Between them are calls over the network, which may be
made any number of times: their keys are made of the payout's public id.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.db import transaction
from kombu.exceptions import KombuError

from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.notices.kinds import Facts, NoticeKind
from marketplace.notices.services import notify
from marketplace.wallet.errors import AmountNotWholeCents, IdempotencyConflict, WalletError
from marketplace.wallet.gateway.chargebacks import refuse_while_owing
from marketplace.wallet.gateway.errors import (
    GatewayUnreachable,
    PayeeNotReady,
    PayoutTooSmall,
    ProviderRefused,
)
from marketplace.wallet.gateway.interface import gateway_named
from marketplace.wallet.gateway.models import Payee, Payout
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import accounts_of, balance_micros, post_transfer
from marketplace.wallet.units import MICROS_PER_CENT, MICROS_PER_UNIT

logger = logging.getLogger(__name__)

SMALLEST_PAYOUT_MICROS = 5 * MICROS_PER_UNIT
MOST_AT_ONCE = 100
LONGEST_WAIT = timedelta(hours=6)


def payee_of(user: User) -> Payee | None:
    return Payee.objects.filter(user=user, provider=settings.PAYMENT_PROVIDER).first()


def payable_micros(user: User) -> int:
    """What may be paid out now: whole cents of what was earned."""
    (payable,) = accounts_of(owned=[(user, Account.Kind.PAYABLE)])
    return balance_micros(payable) // MICROS_PER_CENT * MICROS_PER_CENT


def open_payee(*, user: User, return_address: str, at: datetime) -> str | None:
    """Return where the seller tells the provider who he is; None when that is done already.

    Calls the provider, so it must not run inside a transaction. Raises: ProviderUnknown, GatewayUnreachable.
    """
    gateway = gateway_named(settings.PAYMENT_PROVIDER)
    payee = payee_of(user)
    if payee is None:
        account_id = gateway.open_payee(user.public_id, user.country)
        with transaction.atomic():
            hold_account(user)
            payee, _ = Payee.objects.get_or_create(
                user=user, provider=gateway.name, defaults={"account_id": account_id, "created_at": at}
            )
    refresh_payee(payee=payee)
    return None if payee.is_ready else gateway.payee_address(payee.account_id, return_address)


def refresh_payee(*, payee: Payee) -> Payee:
    """Ask the provider whether it pays the seller now. Raises: ProviderUnknown, GatewayUnreachable."""
    payee.is_ready = gateway_named(payee.provider).is_payee_ready(payee.account_id)
    payee.save(update_fields=["is_ready"])
    return payee


@transaction.atomic
def choose_schedule(*, user: User, schedule: str) -> Payee:
    """Raises: PayeeNotReady."""
    hold_account(user)
    payee = _locked_payee(user)
    payee.schedule = Payee.Schedule(schedule)
    payee.save(update_fields=["schedule"])
    return payee


@transaction.atomic
def request_payout(*, user: User, amount_micros: int | None, idempotency_key: UUID, at: datetime) -> Payout:
    """Take money out of the earnings, to be sent to the seller. Without an amount: all of it, in whole cents.

    A repeat with the same key returns the payout that was made. Raises: PayeeNotReady, PayoutTooSmall,
    AmountNotWholeCents, InsufficientFunds, IdempotencyConflict, AccountHeld. Nothing is written when it raises.
    """
    hold_account(user)
    payee = _locked_payee(user)
    earlier = Payout.objects.filter(user=user, idempotency_key=idempotency_key).first()
    if earlier is not None:
        if amount_micros is not None and earlier.amount_micros != amount_micros:
            raise IdempotencyConflict
        return earlier
    refuse_while_owing(user)
    if amount_micros is None:
        amount_micros = payable_micros(user)
    if amount_micros < SMALLEST_PAYOUT_MICROS:
        raise PayoutTooSmall(minimum_micros=SMALLEST_PAYOUT_MICROS)
    if amount_micros % MICROS_PER_CENT:
        raise AmountNotWholeCents("A payout is a whole number of cents.")
    payout = _book(user, payee, amount_micros, idempotency_key, at)
    transaction.on_commit(_nudge)
    logger.info("payout.requested", extra={"payout_id": str(payout.public_id)})
    return payout


def _locked_payee(user: User) -> Payee:
    """Under the lock two requests of one seller come one after the other."""
    payee = Payee.objects.select_for_update(no_key=True).filter(user=user, provider=settings.PAYMENT_PROVIDER).first()
    if payee is None or not payee.is_ready:
        raise PayeeNotReady
    return payee


def _book(user: User, payee: Payee, amount_micros: int, key: UUID, at: datetime) -> Payout:
    public_id = uuid4()
    payable, provider = accounts_of(owned=[(user, Account.Kind.PAYABLE)], kinds=[Account.Kind.PROVIDER])
    transfer = post_transfer(
        idempotency_key=public_id,
        kind=Transfer.Kind.PAYOUT,
        postings=[(payable, -amount_micros), (provider, amount_micros)],
        reference=public_id,
        at=at,
    )
    return Payout.objects.create(
        public_id=public_id,
        user=user,
        provider=payee.provider,
        account_id=payee.account_id,
        amount_micros=amount_micros,
        currency=payable.currency,
        requested_at=at,
        next_try_at=at,
        transfer=transfer,
        idempotency_key=key,
    )


def request_scheduled_payouts(*, at: datetime) -> int:
    """Ask for what everybody earned who wants it weekly; once a week, whoever runs it how often."""
    year, week, _ = at.isocalendar()
    made = 0
    weekly = Payee.objects.filter(provider=settings.PAYMENT_PROVIDER, is_ready=True, schedule=Payee.Schedule.WEEKLY)
    for payee in weekly.select_related("user").order_by("pk"):
        key = uuid5(payee.user.public_id, f"payout of {year}-{week}")
        try:
            request_payout(user=payee.user, amount_micros=None, idempotency_key=key, at=at)
        except PayoutTooSmall:
            continue
        except WalletError as error:
            logger.warning("payout.not_scheduled", extra={"payee_id": payee.pk, "code": error.code})
        else:
            made += 1
    return made


def send_payouts(*, at: datetime) -> int:
    """Send what is to be sent, and take back what failed. Returns how many calls went well."""
    sent = [send_payout(payout, at=at) for payout in Payout.objects.to_send(at)[:MOST_AT_ONCE]]
    returned = [return_payout(payout, at=at) for payout in Payout.objects.to_return(at)[:MOST_AT_ONCE]]
    return sum(sent) + sum(returned)


def send_payout(payout: Payout, *, at: datetime) -> bool:
    """Hand one payout to the provider. Must not run inside a transaction."""
    try:
        object_id = gateway_named(payout.provider).send_payout(payout)
    except ProviderRefused as refusal:
        with transaction.atomic():
            fail_payout(locked_payout(payout.pk), code=str(refusal.details.get("reason", refusal.code)), at=at)
        return return_payout(payout, at=at)
    except WalletError as error:
        _try_later(payout, error, at)
        return False
    with transaction.atomic():
        payout = locked_payout(payout.pk)
        payout.object_id = payout.object_id or object_id
        payout.sent_at = payout.sent_at or at
        # The bank's answer may have been faster.
        if payout.state == Payout.State.REQUESTED:
            payout.state = Payout.State.SENT
        payout.save(update_fields=["object_id", "sent_at", "state"])
    logger.info("payout.sent", extra={"payout_id": str(payout.public_id)})
    return True


def return_payout(payout: Payout, *, at: datetime) -> bool:
    """Give the money of a failed payout back to the seller, once. Must not run inside a transaction."""
    payout.refresh_from_db()
    if not payout.is_coming_back:
        return False
    try:
        gateway_named(payout.provider).take_back(payout)
    except WalletError as error:
        _try_later(payout, error, at)
        return False
    with transaction.atomic():
        payout = locked_payout(payout.pk)
        if payout.is_coming_back:
            _book_return(payout, at)
    return True


def _book_return(payout: Payout, at: datetime) -> None:
    payable, provider = accounts_of(owned=[(payout.user, Account.Kind.PAYABLE)], kinds=[Account.Kind.PROVIDER])
    payout.return_transfer = post_transfer(
        idempotency_key=uuid5(payout.public_id, "return"),
        kind=Transfer.Kind.PAYOUT_RETURN,
        postings=[(provider, -payout.amount_micros), (payable, payout.amount_micros)],
        reference=payout.public_id,
        at=at,
    )
    payout.returned_at = at
    payout.save(update_fields=["return_transfer", "returned_at"])
    _tell(payout, at)
    logger.info("payout.returned", extra={"payout_id": str(payout.public_id)})


def locked_payout(pk: int) -> Payout:
    return Payout.objects.select_for_update(no_key=True, of=("self",)).select_related("user").get(pk=pk)


def settle_payout(payout: Payout, *, at: datetime) -> None:
    """The bank paid a locked payout."""
    payout.state, payout.settled_at = Payout.State.PAID, at
    payout.save(update_fields=["state", "settled_at"])
    _tell(payout, at)
    logger.info("payout.paid", extra={"payout_id": str(payout.public_id)})


def fail_payout(payout: Payout, *, code: str, at: datetime) -> None:
    """The bank or the provider refused a locked payout. Its money comes back by return_payout."""
    payout.state, payout.settled_at, payout.failure_code = Payout.State.FAILED, at, code[:64]
    payout.next_try_at, payout.attempts = at, 0
    payout.save(update_fields=["state", "settled_at", "failure_code", "next_try_at", "attempts"])
    transaction.on_commit(_nudge)
    logger.warning("payout.failed", extra={"payout_id": str(payout.public_id)})


def _try_later(payout: Payout, error: WalletError, at: datetime) -> None:
    wait = min(timedelta(minutes=2 ** min(payout.attempts, 10)), LONGEST_WAIT)
    Payout.objects.filter(pk=payout.pk).update(attempts=payout.attempts + 1, next_try_at=at + wait)
    log = logger.warning if isinstance(error, GatewayUnreachable) and payout.attempts < 8 else logger.error
    log("payout.postponed", extra={"payout_id": str(payout.public_id), "code": error.code})


def _tell(payout: Payout, at: datetime) -> None:
    facts: Facts = {
        "payout": str(payout.public_id),
        "amount_micros": payout.amount_micros,
        "currency": payout.currency,
        "state": str(payout.state),
    }
    notify(user=payout.user, kind=NoticeKind.PAYOUT, facts=facts, at=at, reference=payout.public_id)


def _nudge() -> None:
    """The row is what is to be done; a lost nudge only makes it later."""
    from marketplace.wallet.tasks import send_payouts_task

    try:
        send_payouts_task.apply_async(retry=False)
    except (KombuError, OSError):
        logger.warning("payout.nudge_lost")


def erase_payees(*, user: User) -> None:
    """Forget where a person was paid. What was paid stays: it belongs to the books."""
    Payee.objects.filter(user=user).delete()
    Payout.objects.filter(user=user).update(idempotency_key=None, account_id="")
