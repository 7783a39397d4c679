"""What every payment provider does for us, and which one is connected."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from django.conf import settings

from marketplace.wallet.errors import ProviderUnknown
from marketplace.wallet.gateway.events import GatewayEvent

# Where each provider puts the signature of a webhook.
SIGNATURE_HEADERS = {"test": "Ownstream-Test-Signature", "stripe": "Stripe-Signature"}


class Gateway(Protocol):
    """Calls over the network; never made inside a transaction. Each may be repeated: its key is made of our ids."""

    name: str

    def read_event(self, body: bytes, signature: str, at: datetime) -> GatewayEvent:
        """Raises: SignatureRefused, EventUnreadable."""


def gateway_named(name: str) -> Gateway:
    """Return the gateway, if it is the connected one. Raises: ProviderUnknown."""
    if name != settings.PAYMENT_PROVIDER:
        raise ProviderUnknown
    if name == "test":
        from marketplace.wallet.gateway.built_in import TestGateway

        return TestGateway()
    raise ProviderUnknown
