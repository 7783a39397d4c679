"""What every payment provider does for us, and which one is connected."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from django.conf import settings

from marketplace.wallet.errors import ProviderUnknown
from marketplace.wallet.gateway.events import GatewayEvent

if TYPE_CHECKING:
    from marketplace.wallet.gateway.models import CardRefund, Payout
    from marketplace.wallet.models import TopUp

# Where each provider puts the signature of a webhook.
SIGNATURE_HEADERS = {"test": "Ownstream-Test-Signature", "stripe": "Stripe-Signature"}


class Gateway(Protocol):
    """Calls over the network; never made inside a transaction. Each may be repeated: its key is made of our ids."""

    name: str

    def read_event(self, body: bytes, signature: str, at: datetime) -> GatewayEvent:
        """Raises: SignatureRefused, EventUnreadable."""

    def events_since(self, at: datetime) -> Iterator[tuple[GatewayEvent, bytes]]:
        """Yield what the provider told of late. Raises: ProviderRefused, GatewayUnreachable."""

    def open_checkout(self, top_up: TopUp, return_address: str) -> str | None:
        """Return where the person pays; None where our own page asks. Raises: ProviderRefused, GatewayUnreachable."""

    def open_payee(self, reference: UUID, country: str) -> str:
        """Return the provider's name of a new account of a seller. Raises: GatewayUnreachable."""

    def payee_address(self, account_id: str, return_address: str) -> str | None:
        """Return where the seller says who he is; None where nobody asks. Raises: GatewayUnreachable."""

    def is_payee_ready(self, account_id: str) -> bool:
        """Raises: GatewayUnreachable."""

    def send_payout(self, payout: Payout) -> str:
        """Return the provider's name of the payout. Raises: ProviderRefused, GatewayUnreachable."""

    def take_back(self, payout: Payout) -> None:
        """Make sure that the money of a failed payout is ours again. Raises: GatewayUnreachable."""

    def send_card_refund(self, refund: CardRefund, payment_id: str) -> str:
        """Return the provider's name of the refund of a payment. Raises: ProviderRefused, GatewayUnreachable."""


def gateway_named(name: str) -> Gateway:
    """Return the gateway, if it is the connected one. Raises: ProviderUnknown."""
    if name != settings.PAYMENT_PROVIDER:
        raise ProviderUnknown
    if name == "test":
        from marketplace.wallet.gateway.built_in import TestGateway

        return TestGateway()
    if name == "stripe":
        # Its library takes long to load, and only for those who use it.
        from marketplace.wallet.gateway.stripe_calls import StripeGateway

        return StripeGateway()
    raise ProviderUnknown
