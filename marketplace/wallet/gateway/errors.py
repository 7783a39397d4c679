"""Why a provider's message, or a payout, is refused."""

from marketplace.wallet.errors import WalletError


class SignatureRefused(WalletError):
    code = "webhook_signature_refused"
    sentence = "The signature does not fit the body, or is too old."


class EventUnreadable(WalletError):
    code = "webhook_unreadable"
    sentence = "The body is signed, but it is no message that this provider sends."
