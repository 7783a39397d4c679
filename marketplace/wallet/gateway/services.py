"""What others may do with payment providers."""

from marketplace.wallet.gateway.built_in import ANSWERS, ORDERS
from marketplace.wallet.gateway.interface import SIGNATURE_HEADERS
from marketplace.wallet.gateway.receiving import follow_waiting_events, receive_webhook
from marketplace.wallet.gateway.sending import pay_at_test_provider, send_due_messages

__all__ = [
    "ANSWERS",
    "ORDERS",
    "SIGNATURE_HEADERS",
    "follow_waiting_events",
    "pay_at_test_provider",
    "receive_webhook",
    "send_due_messages",
]
