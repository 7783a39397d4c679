"""Why an account is not erased yet, and what to do about it."""

from marketplace.errors import MarketError


class ErasureError(MarketError):
    code = "erasure_refused"
    sentence = "This account cannot be erased now."


class NoReadings(ErasureError):
    code = "no_readings"
    sentence = "There are no readings of this device to delete."


class StaffAccount(ErasureError):
    code = "erasure_staff_account"
    sentence = "You work here: ask an administrator to take you off the staff first."


class MoneyInWallet(ErasureError):
    """details: amount_micros, currency."""

    code = "erasure_money_in_wallet"
    sentence = (
        "There is money in your wallet. Spend it, or take it back to where it came from, first: nobody could give it "
        "to you afterwards."
    )


class MoneyOnHold(ErasureError):
    """details: amount_micros, currency."""

    code = "erasure_money_on_hold"
    sentence = (
        "Some of what your buyers paid is not earned yet. Withdraw your consents first: buyers get back what they "
        "cannot use any more, and the rest is yours at once."
    )


class EarningsLeft(ErasureError):
    """details: amount_micros, currency."""

    code = "erasure_earnings_left"
    sentence = "You earned money that is still here. Move it to your wallet, or have it paid out, first."


class TopUpUnderWay(ErasureError):
    code = "erasure_top_up_under_way"
    sentence = "A top-up waits for its payment. Pay it or decline it in your wallet first."


class PurchaseUnderWay(ErasureError):
    code = "erasure_purchase_under_way"
    sentence = "Something that you bought or sold is not in the log yet. That takes seconds: try again soon."


class DisputeUnderWay(ErasureError):
    code = "erasure_dispute_under_way"
    sentence = "A dispute about something that you bought or sold is open. Close it, or wait for its decision."


class RecordMalformed(ErasureError):
    code = "erasure_record_malformed"
    sentence = "This is not a whole record of erasures."


class PayoutUnderWay(ErasureError):
    code = "erasure_payout_under_way"
    sentence = "A payout is on its way to your bank and may still come back. Wait until it is paid."


class CardRefundUnderWay(ErasureError):
    code = "erasure_card_refund_under_way"
    sentence = "Money is on its way back to your payment method and may still fail. Wait until it is paid back."


class DebtLeft(ErasureError):
    """details: amount_micros, currency."""

    code = "erasure_debt_left"
    sentence = "Your bank took a payment back that you had spent. Top up what is missing first."


class SalesNotBilled(ErasureError):
    """details: amount_micros, currency."""

    code = "erasure_sales_not_billed"
    sentence = (
        "Buyers used data of yours that is paid by use, and it is not billed yet. Withdraw its listings; the bills "
        "come within minutes, and then you can have what you earned paid out."
    )


class UsageNotBilled(ErasureError):
    """details: amount_micros, currency."""

    code = "erasure_usage_not_billed"
    sentence = (
        "You read data that is paid by use, and it is not billed yet. Stop those purchases; the bill comes within "
        "minutes, from your wallet."
    )
