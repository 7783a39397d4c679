"""What others may do with payment providers."""

from marketplace.wallet.gateway.built_in import ANSWERS, ORDERS
from marketplace.wallet.gateway.card_refunds import (
    erase_card_refunds,
    refundable_micros,
    refundable_top_ups,
    request_card_refund,
    send_card_refunds,
)
from marketplace.wallet.gateway.chargebacks import cover_all_debts, owed_micros, refuse_while_owing
from marketplace.wallet.gateway.checkouts import open_checkout
from marketplace.wallet.gateway.interface import SIGNATURE_HEADERS
from marketplace.wallet.gateway.payouts import (
    SMALLEST_PAYOUT_MICROS,
    choose_schedule,
    erase_payees,
    open_payee,
    payable_micros,
    payee_of,
    refresh_payee,
    request_payout,
    send_payouts,
)
from marketplace.wallet.gateway.receiving import follow_waiting_events, receive_webhook
from marketplace.wallet.gateway.reconciling import reconcile
from marketplace.wallet.gateway.sending import (
    answer_card_refund_at_test_provider,
    answer_payout_at_test_provider,
    pay_at_test_provider,
    send_due_messages,
)

__all__ = [
    "ANSWERS",
    "ORDERS",
    "SIGNATURE_HEADERS",
    "SMALLEST_PAYOUT_MICROS",
    "answer_card_refund_at_test_provider",
    "answer_payout_at_test_provider",
    "choose_schedule",
    "cover_all_debts",
    "erase_card_refunds",
    "erase_payees",
    "follow_waiting_events",
    "open_checkout",
    "open_payee",
    "owed_micros",
    "pay_at_test_provider",
    "payable_micros",
    "payee_of",
    "receive_webhook",
    "reconcile",
    "refresh_payee",
    "refundable_micros",
    "refundable_top_ups",
    "refuse_while_owing",
    "request_card_refund",
    "request_payout",
    "send_card_refunds",
    "send_due_messages",
    "send_payouts",
]
