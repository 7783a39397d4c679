"""Webhooks as the built-in provider sends them, and as it never would; and money on its way to a seller's bank."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.test import Client

from marketplace.accounts.models import User
from marketplace.wallet.gateway.built_in import payment_message, webhook_secret
from marketplace.wallet.gateway.models import CardRefund, Payout, ProviderEvent
from marketplace.wallet.gateway.services import (
    answer_payout_at_test_provider,
    open_payee,
    pay_at_test_provider,
    receive_webhook,
    request_payout,
    send_payouts,
)
from marketplace.wallet.gateway.signatures import sign
from marketplace.wallet.models import Account, TopUp, Transfer
from marketplace.wallet.services import account_of, post_transfer, start_top_up
from tests.builders_money import EURO

ENDPOINT = "/api/payments/webhooks/test"


def body_of(asked: TopUp | Payout | CardRefund, kind: str, at: datetime, **changes: Any) -> bytes:
    """A message about a top-up, a payout or a refund, with other content where a test wants it."""
    if "id" in changes:
        changes["id"] = UUID(str(changes["id"]))
    return msgspec.json.encode(msgspec.structs.replace(payment_message(asked, kind, at), **changes))


def post_webhook(body: bytes, at: datetime, *, secret: str = "", signature: str | None = None) -> Any:
    header = sign(body, secret or webhook_secret(), at) if signature is None else signature
    return Client().post(
        ENDPOINT, body, content_type="application/json", headers={"Ownstream-Test-Signature": header} if header else {}
    )


def say(asked: TopUp | Payout | CardRefund, kind: str, at: datetime, **changes: Any) -> ProviderEvent:
    """Tell it at any moment; the endpoint would ask the clock."""
    body = body_of(asked, kind, at, **changes)
    return receive_webhook(provider="test", body=body, signature=sign(body, webhook_secret(), at), at=at)


def earn(seller: User, buyer: User, euros: int, at: datetime) -> None:
    """A seller earns what a buyer brought in, by the shortest way through the books."""
    pay_at_test_provider(top_up=start_top_up(user=buyer, amount_micros=euros * EURO, at=at), answer="pay", at=at)
    payable = account_of(seller, Account.Kind.PAYABLE)
    postings = [(account_of(buyer), -euros * EURO), (payable, euros * EURO)]
    post_transfer(idempotency_key=uuid4(), kind=Transfer.Kind.RELEASE, postings=postings, reference=None, at=at)


def paid_out(seller: User, buyer: User, at: datetime) -> dict[str, Payout]:
    """A payout in each state, and enough left for another."""
    earn(seller, buyer, 50, at)
    open_payee(user=seller, return_address="", at=at)
    made = {
        state: request_payout(user=seller, amount_micros=10 * EURO, idempotency_key=uuid4(), at=at)
        for state in ("sent", "paid", "failed")
    }
    send_payouts(at=at)
    for state in ("paid", "failed"):
        made[state].refresh_from_db()
        answer_payout_at_test_provider(payout=made[state], is_paid=state == "paid", at=at)
    made["requested"] = request_payout(user=seller, amount_micros=5 * EURO, idempotency_key=uuid4(), at=at)
    return made


def dispute_top_up(buyer: User, at: datetime) -> TopUp:
    """Paid, and taken back by the bank."""
    top_up = start_top_up(user=buyer, amount_micros=9 * EURO, at=at)
    return pay_at_test_provider(top_up=top_up, answer="dispute", at=at)
