"""Send what the built-in provider has to say. Now by hand to the one who listens, or later over the network."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from datetime import datetime

from django.conf import settings
from django.db import transaction

from marketplace.wallet.errors import ProviderUnknown, TopUpSettled
from marketplace.wallet.gateway.built_in import Answer, Order, answer_for_bank, answer_payment, due_messages, signed
from marketplace.wallet.gateway.errors import CardRefundSettled, PayoutSettled
from marketplace.wallet.gateway.interface import SIGNATURE_HEADERS, gateway_named
from marketplace.wallet.gateway.models import CardRefund, Payout, TestMessage
from marketplace.wallet.gateway.payouts import return_payout
from marketplace.wallet.gateway.receiving import receive_webhook
from marketplace.wallet.models import TopUp

logger = logging.getLogger(__name__)

_STATES = {"decline": TopUp.State.DECLINED} | dict.fromkeys(("pay", "dispute", "slow"), TopUp.State.PAID)
PATH = "/api/payments/webhooks/test"


def pay_at_test_provider(*, top_up: TopUp, answer: Answer, at: datetime, order: Order = "once") -> TopUp:
    """Answer for the bank. Whoever pressed the button sees at once what followed, so it takes no way over the network.

    Raises: ProviderUnknown, TopUpSettled (it was answered the other way before).
    """
    if top_up.provider != gateway_named("test").name:
        raise ProviderUnknown
    if top_up.state != TopUp.State.PENDING and top_up.state != _STATES[answer]:
        raise TopUpSettled
    messages = answer_payment(top_up=top_up, answer=answer, order=order, at=at)
    for message in messages:
        if message.due_at <= at:
            _say(message, at)
    top_up.refresh_from_db()
    return top_up


def answer_payout_at_test_provider(*, payout: Payout, is_paid: bool, at: datetime) -> Payout:
    """Say for the bank whether it took the money. Raises: ProviderUnknown, PayoutSettled."""
    if payout.provider != gateway_named("test").name:
        raise ProviderUnknown
    if payout.state == Payout.State.FAILED or (payout.state == Payout.State.PAID and is_paid):
        raise PayoutSettled
    _say(answer_for_bank(asked=payout, is_paid=is_paid, at=at), at)
    return_payout(payout, at=at)
    payout.refresh_from_db()
    return payout


def answer_card_refund_at_test_provider(*, refund: CardRefund, is_paid: bool, at: datetime) -> CardRefund:
    """Say for the bank whether it took the money. Raises: ProviderUnknown, CardRefundSettled."""
    if refund.provider != gateway_named("test").name:
        raise ProviderUnknown
    if refund.state == CardRefund.State.FAILED or (refund.state == CardRefund.State.PAID and is_paid):
        raise CardRefundSettled
    _say(answer_for_bank(asked=refund, is_paid=is_paid, at=at), at)
    refund.refresh_from_db()
    return refund


def _say(message: TestMessage, at: datetime) -> None:
    body, signature = signed(message, at)
    receive_webhook(provider="test", body=body, signature=signature, at=at)
    TestMessage.objects.filter(pk=message.pk).update(sent_at=at)


def send_due_messages(*, at: datetime) -> int:
    """Post what is due to our own endpoint. Returns how many were taken; the others are sent again later."""
    return sum(_send(message, at) for message in due_messages(at))


def _send(message: TestMessage, at: datetime) -> bool:
    body, signature = signed(message, at)
    request = urllib.request.Request(  # noqa: S310 - our own address
        settings.PUBLIC_URL + PATH, body, {"Content-Type": "application/json", SIGNATURE_HEADERS["test"]: signature}
    )
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - the same
            pass
    except (OSError, urllib.error.URLError) as error:
        logger.warning("test_message.not_taken", extra={"message_id": message.pk, "error": type(error).__name__})
        return False
    with transaction.atomic():
        TestMessage.objects.filter(pk=message.pk).update(sent_at=at)
    return True
