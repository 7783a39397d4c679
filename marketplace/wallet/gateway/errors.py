"""Why a provider's message, or a payout, is refused."""

from marketplace.wallet.errors import WalletError


class SignatureRefused(WalletError):
    code = "webhook_signature_refused"
    sentence = "The signature does not fit the body, or is too old."


class EventUnreadable(WalletError):
    code = "webhook_unreadable"
    sentence = "The body is signed, but it is no message that this provider sends."


class GatewayUnreachable(WalletError):
    """Nobody knows whether the provider did it; the same call with the same key may be made again."""

    code = "provider_unreachable"
    sentence = "The payment provider does not answer. Try again in a few minutes."


class ProviderRefused(WalletError):
    """The provider says no, and moved nothing. details: reason, its own word."""

    code = "provider_refused"
    sentence = "The payment provider refuses this."


class PayeeNotReady(WalletError):
    code = "payee_not_ready"
    sentence = "Say first where the money should go."


class PayoutTooSmall(WalletError):
    """details: minimum_micros."""

    code = "payout_too_small"
    sentence = "This is less than the smallest payout."


class PayoutSettled(WalletError):
    code = "payout_settled"
    sentence = "This payout is already settled."


class NotRefundable(WalletError):
    """details: refundable_micros, what may still go back to where this top-up came from."""

    code = "top_up_not_refundable"
    sentence = "This is more than may go back to the payment method that this top-up came from."


class CardRefundSettled(WalletError):
    code = "card_refund_settled"
    sentence = "This is already settled."


class AccountHeld(WalletError):
    """details: owed_micros."""

    code = "account_held"
    sentence = "A payment of yours was taken back by your bank. Top up what is missing first; then you can go on."
