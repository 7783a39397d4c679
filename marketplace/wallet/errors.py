"""Why money does not move."""

from marketplace.errors import MarketError


class WalletError(MarketError):
    code = "wallet_refused"


class InsufficientFunds(WalletError):
    """details: missing_micros, how much more the wallet would have to hold."""

    code = "insufficient_funds"
    sentence = "There is not enough money in the wallet. Top it up and try again."


class UnbalancedTransfer(WalletError):
    code = "unbalanced_transfer"
    sentence = "The lines of a transfer must sum to zero in one currency."


class IdempotencyConflict(WalletError):
    code = "idempotency_conflict"
    sentence = "This request was made before with other content. Start again with a new key."


class AmountOutOfRange(WalletError):
    """details: minimum_micros, maximum_micros."""

    code = "amount_out_of_range"
    sentence = "A top-up is between 1 and 5,000 euros."


class AmountNotWholeCents(WalletError):
    code = "amount_not_whole_cents"
    sentence = "A top-up is a whole number of cents."


class AmountNotPositive(WalletError):
    code = "amount_not_positive"
    sentence = "Give an amount above zero."


class TopUpSettled(WalletError):
    code = "top_up_settled"
    sentence = "This top-up is already settled."


class ProviderUnknown(WalletError):
    code = "provider_unknown"
    sentence = "No payment provider is connected, so wallets cannot be topped up here."
