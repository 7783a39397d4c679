"""Give people money of a top-up back, to where it came from.

As with payouts it leaves the wallet in the transaction that asks for it, and comes back in the one that says it failed.
Only what came in by a top-up, and is neither spent nor taken back already, goes back by it.
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
from marketplace.wallet.errors import AmountNotWholeCents, IdempotencyConflict, InsufficientFunds, WalletError
from marketplace.wallet.gateway.chargebacks import cover_debts, refuse_while_owing
from marketplace.wallet.gateway.errors import GatewayUnreachable, NotRefundable, ProviderRefused
from marketplace.wallet.gateway.events import EventKind
from marketplace.wallet.gateway.interface import gateway_named
from marketplace.wallet.gateway.models import CardRefund, ProviderEvent
from marketplace.wallet.models import Account, TopUp, TopUpQuerySet, Transfer
from marketplace.wallet.services import account_of, accounts_of, balance_micros, post_transfer
from marketplace.wallet.units import MICROS_PER_CENT

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 100
LONGEST_WAIT = timedelta(hours=6)


def refundable_top_ups(user: User) -> TopUpQuerySet:
    return TopUp.objects.filter(user=user).refundable(settings.PAYMENT_PROVIDER)


def refundable_micros(top_up: TopUp, *, kept_micros: int) -> int:
    """What may go back now, in whole cents. kept_micros: what has to stay in the wallet."""
    free = balance_micros(account_of(top_up.user)) - kept_micros
    return max(min(_left_micros(top_up), free), 0) // MICROS_PER_CENT * MICROS_PER_CENT


def _left_micros(top_up: TopUp) -> int:
    found = refundable_top_ups(top_up.user).filter(pk=top_up.pk).first()
    return found.left_micros if found else 0


@transaction.atomic
def request_card_refund(
    *, top_up: TopUp, amount_micros: int, kept_micros: int, idempotency_key: UUID, at: datetime
) -> CardRefund:
    """Take money out of the wallet, to be sent to where the top-up came from. kept_micros stay in the wallet.

    A repeat with the same key returns the first one. Raises: NotRefundable, AmountNotWholeCents, InsufficientFunds,
    IdempotencyConflict, AccountHeld. Nothing is written when it raises.
    """
    user = top_up.user
    hold_account(user)
    # Under the lock two requests about one top-up come one after the other, and a dispute of it before or after.
    top_up = TopUp.objects.select_for_update(no_key=True).get(pk=top_up.pk)
    earlier = CardRefund.objects.filter(top_up=top_up, idempotency_key=idempotency_key).first()
    if earlier is not None:
        if earlier.amount_micros != amount_micros:
            raise IdempotencyConflict
        return earlier
    refuse_while_owing(user)
    if amount_micros % MICROS_PER_CENT:
        raise AmountNotWholeCents("Only whole cents can be paid back.")
    left = _left_micros(top_up)
    if not 0 < amount_micros <= left:
        raise NotRefundable(refundable_micros=left)
    missing = amount_micros + kept_micros - balance_micros(account_of(user))
    if kept_micros and missing > 0:
        raise InsufficientFunds(missing_micros=missing)
    refund = _book(top_up, user, amount_micros, idempotency_key, at)
    transaction.on_commit(_nudge)
    logger.info("card_refund.requested", extra={"card_refund_id": str(refund.public_id)})
    return refund


def _book(top_up: TopUp, user: User, amount_micros: int, key: UUID, at: datetime) -> CardRefund:
    public_id = uuid4()
    wallet, provider = accounts_of(owned=[(user, Account.Kind.WALLET)], kinds=[Account.Kind.PROVIDER])
    transfer = post_transfer(
        idempotency_key=public_id,
        kind=Transfer.Kind.CARD_REFUND,
        postings=[(wallet, -amount_micros), (provider, amount_micros)],
        reference=public_id,
        at=at,
    )
    return CardRefund.objects.create(
        public_id=public_id,
        user=user,
        top_up=top_up,
        provider=top_up.provider,
        amount_micros=amount_micros,
        currency=wallet.currency,
        requested_at=at,
        next_try_at=at,
        transfer=transfer,
        idempotency_key=key,
    )


def send_card_refunds(*, at: datetime) -> int:
    """Send what is to be sent. Returns how many calls went well."""
    return sum(send_card_refund(refund, at=at) for refund in CardRefund.objects.to_send(at)[:MOST_AT_ONCE])


def send_card_refund(refund: CardRefund, *, at: datetime) -> bool:
    """Ask the provider to pay back. Must not run inside a transaction."""
    try:
        object_id = gateway_named(refund.provider).send_card_refund(refund, _payment_of(refund))
    except ProviderRefused as refusal:
        with transaction.atomic():
            refund = locked_card_refund(refund.pk)
            if refund.state == CardRefund.State.REQUESTED:
                fail_card_refund(refund, code=str(refusal.details.get("reason", refusal.code)), at=at)
        return True
    except WalletError as error:
        _try_later(refund, error, at)
        return False
    with transaction.atomic():
        refund = locked_card_refund(refund.pk)
        refund.object_id = refund.object_id or object_id
        refund.sent_at = refund.sent_at or at
        # The bank's answer may have been faster.
        if refund.state == CardRefund.State.REQUESTED:
            refund.state = CardRefund.State.SENT
        refund.save(update_fields=["object_id", "sent_at", "state"])
    logger.info("card_refund.sent", extra={"card_refund_id": str(refund.public_id)})
    return True


def _payment_of(refund: CardRefund) -> str:
    """The provider's name of the payment, as the message said that it is paid. Raises: ProviderRefused."""
    told = ProviderEvent.objects.filter(
        provider=refund.provider, reference=refund.top_up.public_id, kind=EventKind.PAID
    ).exclude(payment_id="")
    payment_id = told.values_list("payment_id", flat=True).first()
    if payment_id is None:
        raise ProviderRefused(reason="payment_unknown")
    return payment_id


def locked_card_refund(pk: int) -> CardRefund:
    rows = CardRefund.objects.select_for_update(no_key=True, of=("self",))
    return rows.select_related("user", "top_up").get(pk=pk)


def settle_card_refund(refund: CardRefund, *, object_id: str, at: datetime) -> None:
    """The provider paid a locked refund back."""
    refund.state, refund.settled_at, refund.object_id = CardRefund.State.PAID, at, refund.object_id or object_id
    refund.save(update_fields=["state", "settled_at", "object_id"])
    _tell(refund, "to_card", at)
    logger.info("card_refund.paid", extra={"card_refund_id": str(refund.public_id)})


def fail_card_refund(refund: CardRefund, *, code: str, at: datetime) -> Transfer:
    """A locked refund did not arrive. The provider has the money still, or again, and so has the wallet."""
    wallet, provider = accounts_of(owned=[(refund.user, Account.Kind.WALLET)], kinds=[Account.Kind.PROVIDER])
    transfer = post_transfer(
        idempotency_key=uuid5(refund.public_id, "return"),
        kind=Transfer.Kind.CARD_REFUND_RETURN,
        postings=[(provider, -refund.amount_micros), (wallet, refund.amount_micros)],
        reference=refund.public_id,
        at=at,
    )
    refund.state, refund.settled_at, refund.failure_code = CardRefund.State.FAILED, at, code[:64]
    refund.return_transfer = transfer
    refund.save(update_fields=["state", "settled_at", "failure_code", "return_transfer"])
    _tell(refund, "card_refused", at)
    cover_debts(refund.user, at=at)
    logger.warning("card_refund.failed", extra={"card_refund_id": str(refund.public_id)})
    return transfer


def _try_later(refund: CardRefund, error: WalletError, at: datetime) -> None:
    wait = min(timedelta(minutes=2 ** min(refund.attempts, 10)), LONGEST_WAIT)
    CardRefund.objects.filter(pk=refund.pk).update(attempts=refund.attempts + 1, next_try_at=at + wait)
    log = logger.warning if isinstance(error, GatewayUnreachable) and refund.attempts < 8 else logger.error
    log("card_refund.postponed", extra={"card_refund_id": str(refund.public_id), "code": error.code})


def _tell(refund: CardRefund, reason: str, at: datetime) -> None:
    # No purchase and no title: it is money of the wallet.
    facts: Facts = {
        "purchase": "",
        "title": "",
        "refund_micros": refund.amount_micros,
        "currency": refund.currency,
        "reason": reason,
    }
    notify(user=refund.user, kind=NoticeKind.REFUND, facts=facts, at=at, reference=refund.public_id)


def _nudge() -> None:
    """The row is what is to be done; a lost nudge only makes it later."""
    from marketplace.wallet.tasks import send_payouts_task

    try:
        send_payouts_task.apply_async(retry=False)
    except (KombuError, OSError):
        logger.warning("card_refund.nudge_lost")


def erase_card_refunds(*, user: User) -> None:
    """Which request it was is forgotten. What was paid back stays: it belongs to the books."""
    CardRefund.objects.filter(user=user).update(idempotency_key=None)
