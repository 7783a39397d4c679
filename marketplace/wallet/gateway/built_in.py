"""The built-in provider, "test". No money is behind it: on its page a person chooses what a bank would say.

Like a real one it speaks through signed webhooks only, which may come late, twice, or in the wrong order.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args
from uuid import UUID, uuid5

import msgspec
from django.conf import settings

from marketplace.wallet.gateway.errors import EventUnreadable, ProviderRefused
from marketplace.wallet.gateway.events import EventKind, GatewayEvent
from marketplace.wallet.gateway.models import CardRefund, Chargeback, Payout, TestMessage
from marketplace.wallet.gateway.signatures import check_signature, sign
from marketplace.wallet.models import TopUp

Answer = Literal["pay", "decline", "dispute", "slow"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
Order = Literal["once", "twice", "reversed"]
ORDERS: tuple[Order, ...] = get_args(Order)
SLOW_SECONDS = 5

_KINDS = {
    "payment.paid": EventKind.PAID,
    "payment.declined": EventKind.DECLINED,
    "dispute.opened": EventKind.DISPUTE_OPENED,
    "dispute.won": EventKind.DISPUTE_WON,
    "dispute.lost": EventKind.DISPUTE_LOST,
    "refund.paid": EventKind.REFUNDED,
    "refund.failed": EventKind.REFUND_FAILED,
    "payout.paid": EventKind.PAYOUT_PAID,
    "payout.failed": EventKind.PAYOUT_FAILED,
}
_TYPES = {
    "pay": ["payment.paid"],
    "slow": ["payment.paid"],
    "decline": ["payment.declined"],
    "dispute": ["payment.paid", "dispute.opened"],
}


class Message(msgspec.Struct, forbid_unknown_fields=True):
    id: UUID
    type: str
    created: int
    reference: UUID
    object: str
    payment: str
    amount_micros: int
    currency: str


class TestGateway:
    # Not a test.
    __test__ = False
    name = "test"

    def read_event(self, body: bytes, signature: str, at: datetime) -> GatewayEvent:
        check_signature(body, signature, [webhook_secret()], at)
        try:
            message = msgspec.json.decode(body, type=Message)
        except msgspec.MsgspecError as error:
            raise EventUnreadable from error
        return GatewayEvent(
            event_id=str(message.id),
            type=message.type,
            kind=_KINDS.get(message.type, EventKind.OTHER),
            happened_at=datetime.fromtimestamp(message.created, UTC),
            reference=message.reference,
            object_id=message.object,
            payment_id=message.payment,
            amount_micros=message.amount_micros,
            currency=message.currency,
        )

    def events_since(self, at: datetime) -> Iterator[tuple[GatewayEvent, bytes]]:
        """What it has to say is sent until it is taken."""
        return iter(())

    def open_checkout(self, top_up: TopUp, return_address: str) -> str | None:
        return None

    def open_payee(self, reference: UUID, country: str) -> str:
        return f"payee_{reference}"

    def payee_address(self, account_id: str, return_address: str) -> str | None:
        return None

    def is_payee_ready(self, account_id: str) -> bool:
        return True

    def send_payout(self, payout: Payout) -> str:
        """The page of the payout asks what the bank says."""
        return f"payout_{payout.public_id}"

    def take_back(self, payout: Payout) -> None:
        pass

    def send_card_refund(self, refund: CardRefund, payment_id: str) -> str:
        """The page of the refund asks what the bank says; like a real one it pays nothing back that is disputed."""
        if refund.top_up.chargebacks.exclude(state=Chargeback.State.WON).exists():
            raise ProviderRefused(reason="charge_disputed")
        return f"refund_{refund.public_id}"


def webhook_secret() -> str:
    return hmac.digest(settings.SECRET_KEY.encode(), b"webhooks of the built-in provider", "sha256").hex()


def answer_payment(*, top_up: TopUp, answer: Answer, order: Order, at: datetime) -> list[TestMessage]:
    """Write down the webhooks that follow from what the person chose. They are sent by send_messages."""
    due_at = at + timedelta(seconds=SLOW_SECONDS) if answer == "slow" else at
    messages = [payment_message(top_up, kind, at) for kind in _TYPES[answer]]
    if order == "reversed":
        messages.reverse()
    if order == "twice":
        messages = [message for message in messages for _ in range(2)]
    rows = [
        TestMessage(event_id=message.id, body=msgspec.json.encode(message).decode(), due_at=due_at)
        for message in messages
    ]
    return TestMessage.objects.bulk_create(rows)


def answer_for_bank(*, asked: Payout | CardRefund, is_paid: bool, at: datetime) -> TestMessage:
    about = "payout" if isinstance(asked, Payout) else "refund"
    message = payment_message(asked, f"{about}.{'paid' if is_paid else 'failed'}", at)
    return TestMessage.objects.create(event_id=message.id, body=msgspec.json.encode(message).decode(), due_at=at)


def signed(message: TestMessage, at: datetime) -> tuple[bytes, str]:
    """Return the body of a webhook and the signature that is sent with it."""
    body = message.body.encode()
    return body, sign(body, webhook_secret(), at)


def payment_message(asked: TopUp | Payout | CardRefund, kind: str, at: datetime) -> Message:
    """The id is made of what it says: who presses twice sends the same message again."""
    paid = asked.top_up if isinstance(asked, CardRefund) else asked
    return Message(
        id=uuid5(asked.public_id, kind),
        type=kind,
        created=int(at.timestamp()),
        reference=asked.public_id,
        object=f"{kind.partition('.')[0]}_{asked.public_id}",
        payment=f"pay_{paid.public_id}",
        amount_micros=asked.amount_micros,
        currency=asked.currency,
    )


def due_messages(at: datetime) -> Sequence[TestMessage]:
    return list(TestMessage.objects.filter(sent_at=None, due_at__lte=at).order_by("due_at", "pk")[:100])
