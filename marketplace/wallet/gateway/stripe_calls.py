"""Stripe: Checkout for top-ups, refunds of them, Connect for sellers. Amounts are in cents there, and in micros here.

Every call that makes something carries an idempotency key made of our public id. Stripe forgets keys after a day, so
what is sent is looked for first, by our public id.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from typing import Any
from uuid import uuid5

import msgspec
import stripe
from django.conf import settings

from marketplace.wallet.gateway.errors import EventUnreadable, GatewayUnreachable, ProviderRefused
from marketplace.wallet.gateway.events import GatewayEvent
from marketplace.wallet.gateway.models import CardRefund, Payout
from marketplace.wallet.gateway.signatures import check_signature
from marketplace.wallet.gateway.stripe_events import read_event
from marketplace.wallet.models import TopUp
from marketplace.wallet.units import MICROS_PER_CENT

# Said with each call: what the answers look like does not change because Stripe does.
VERSION = "2026-10-28.endive"
TIMEOUT_SECONDS = 20


class StripeGateway:
    name = "stripe"

    def read_event(self, body: bytes, signature: str, at: datetime) -> GatewayEvent:
        check_signature(body, signature, settings.STRIPE_WEBHOOK_SECRETS, at)
        event = read_event(body)
        if event is None:
            raise EventUnreadable
        return event

    def open_checkout(self, top_up: TopUp, return_address: str) -> str:
        amount = top_up.amount_micros // MICROS_PER_CENT
        reference = str(top_up.public_id)
        with _network():
            session = _client().v1.checkout.sessions.create(
                {
                    "mode": "payment",
                    "client_reference_id": reference,
                    "line_items": [
                        {
                            "quantity": 1,
                            "price_data": {
                                "currency": top_up.currency.lower(),
                                "unit_amount": amount,
                                "product_data": {"name": "Top-up of your wallet"},
                            },
                        }
                    ],
                    "metadata": {"reference": reference},
                    "payment_intent_data": {"metadata": {"reference": reference}},
                    "success_url": return_address,
                    "cancel_url": return_address,
                },
                {"idempotency_key": f"checkout-{reference}"},
            )
        if not session.url:
            raise GatewayUnreachable
        return session.url

    def open_payee(self, reference: Any, country: str) -> str:
        with _network():
            account = _client().v1.accounts.create(
                {
                    "type": "express",
                    **({"country": country} if country else {}),
                    "capabilities": {"transfers": {"requested": True}},
                    # We say when the bank is paid, so that each payout is one of ours.
                    "settings": {"payouts": {"schedule": {"interval": "manual"}}},
                    "metadata": {"reference": str(reference)},
                },
                {"idempotency_key": f"payee-{reference}"},
            )
        return account.id

    def payee_address(self, account_id: str, return_address: str) -> str | None:
        with _network():
            link = _client().v1.account_links.create(
                {
                    "account": account_id,
                    "type": "account_onboarding",
                    "return_url": return_address,
                    "refresh_url": return_address,
                }
            )
        return link.url

    def is_payee_ready(self, account_id: str) -> bool:
        with _network():
            return bool(_client().v1.accounts.retrieve(account_id).payouts_enabled)

    def send_payout(self, payout: Payout) -> str:
        """Move the money to the seller's account at Stripe, and from there to the bank."""
        reference = str(payout.public_id)
        terms: Any = {
            "amount": payout.amount_micros // MICROS_PER_CENT,
            "currency": payout.currency.lower(),
            "metadata": {"reference": reference},
        }
        with _network():
            if _transfer_of(payout) is None:
                whole: Any = {**terms, "destination": payout.account_id, "transfer_group": reference}
                _client().v1.transfers.create(whole, {"idempotency_key": f"transfer-{reference}"})
            return _payout_of(payout) or (
                _client()
                .v1.payouts.create(
                    terms, {"stripe_account": payout.account_id, "idempotency_key": f"payout-{reference}"}
                )
                .id
            )

    def take_back(self, payout: Payout) -> None:
        """What the bank refused is in the seller's account at Stripe again; what never got there needs nothing."""
        with _network():
            transfer = _transfer_of(payout)
            if transfer is None or transfer.reversed:
                return
            _client().v1.transfers.reversals.create(
                transfer.id,
                {"metadata": {"reference": str(payout.public_id)}},
                {"idempotency_key": f"reversal-{uuid5(payout.public_id, transfer.id)}"},
            )

    def send_card_refund(self, refund: CardRefund, payment_id: str) -> str:
        reference = str(refund.public_id)
        with _network():
            made = _client().v1.refunds.list({"payment_intent": payment_id, "limit": 100})
            for one in made.auto_paging_iter():
                if one.metadata and one.metadata.to_dict().get("reference") == reference:
                    return one.id
            terms: Any = {
                "payment_intent": payment_id,
                "amount": refund.amount_micros // MICROS_PER_CENT,
                "reason": "requested_by_customer",
                "metadata": {"reference": reference},
            }
            return _client().v1.refunds.create(terms, {"idempotency_key": f"refund-{reference}"}).id

    def events_since(self, at: datetime) -> Iterator[tuple[GatewayEvent, bytes]]:
        with _network():
            found = _client().v1.events.list({"created": {"gte": int(at.timestamp())}, "limit": 100})
            for event in found.auto_paging_iter():
                body = msgspec.json.encode(event.to_dict())
                told = read_event(body)
                if told is not None:
                    yield told, body


def _transfer_of(payout: Payout) -> stripe.Transfer | None:
    found = _client().v1.transfers.list({"transfer_group": str(payout.public_id), "limit": 1})
    return found.data[0] if found.data else None


def _payout_of(payout: Payout) -> str | None:
    made = _client().v1.payouts.list(
        {"created": {"gte": int(payout.requested_at.timestamp())}, "limit": 100}, {"stripe_account": payout.account_id}
    )
    reference = str(payout.public_id)
    for one in made.auto_paging_iter():
        if one.metadata and one.metadata.to_dict().get("reference") == reference:
            return one.id
    return None


@contextmanager
def _network() -> Iterator[None]:
    """Only a plain refusal is a no. After anything else nobody knows whether Stripe did it."""
    try:
        yield
    except (stripe.InvalidRequestError, stripe.CardError) as error:
        raise ProviderRefused(reason=error.code or "invalid_request") from error
    except stripe.StripeError as error:
        raise GatewayUnreachable from error


def _client() -> stripe.StripeClient:
    return _client_with(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_ADDRESS)


@cache
def _client_with(key: str, address: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        stripe_version=VERSION,
        base_addresses={"api": address} if address else {},
        max_network_retries=1,
        http_client=stripe.RequestsClient(timeout=TIMEOUT_SECONDS),
    )
