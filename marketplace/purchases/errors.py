"""Why a purchase is refused. Too little money is wallet.errors.InsufficientFunds."""

from marketplace.errors import MarketError


class PurchaseError(MarketError):
    code = "purchase_refused"


class ListingNotForSale(PurchaseError):
    code = "listing_not_for_sale"
    sentence = "This listing is no longer for sale."


class PlanNotOffered(PurchaseError):
    code = "plan_not_offered"
    sentence = "This listing does not offer that plan. Look at its plans again."


class PriceChanged(PurchaseError):
    """details: quoted_micros, price_micros, currency."""

    code = "price_changed"
    sentence = "The price changed since it was shown to you. Look at the new price before you buy."


class OwnListing(PurchaseError):
    code = "own_listing"
    sentence = "This is your own listing. You have its data already."


class BuyerNotAllowed(PurchaseError):
    code = "buyer_not_allowed"
    sentence = "The owner allows this data only to people named by e-mail address, and no verified address of yours is."


class AlreadyPurchased(PurchaseError):
    """details: purchase, the public id of the one that still gives access."""

    code = "already_purchased"
    sentence = "You have this plan already, and its access lasts. Use that purchase."


class RequestRepeated(PurchaseError):
    code = "idempotency_conflict"
    sentence = "This request was made before with other content. Start again with a new key."


class RefundRefused(PurchaseError):
    code = "refund_refused"
    sentence = "This purchase cannot be given back."


class NothingToRefund(RefundRefused):
    code = "nothing_to_refund"
    sentence = "There is no money on hold for this purchase that could go back to you."


class RefundTooLate(RefundRefused):
    """details: until, when the time to give it back ended."""

    code = "refund_too_late"
    sentence = "The time in which this purchase could be given back is over."


class AlreadyDelivered(RefundRefused):
    code = "already_delivered"
    sentence = (
        "Data was loaded, or the period has begun, so it cannot simply be given back. Open a dispute if it is wrong."
    )


class PurchaseDisputed(RefundRefused):
    code = "purchase_disputed"
    sentence = "A dispute about this purchase is open. It decides about the money."


class TrialTaken(PurchaseError):
    """details: purchase, the public id of the trial."""

    code = "trial_taken"
    sentence = "You had the trial of this listing already. It is there once for each buyer."


class OfferExpired(PurchaseError):
    code = "offer_expired"
    sentence = "This offer was open until a moment that has passed. Ask the seller for another."


class NotRenewing(PurchaseError):
    code = "not_renewing"
    sentence = "This purchase can't renew: its plan does not, or it has ended."


class NotMetered(PurchaseError):
    code = "not_metered"
    sentence = "This purchase is not paid by use, or it has ended."


class CapInvalid(PurchaseError):
    """details: least_micros."""

    code = "cap_invalid"
    sentence = "A cap is in whole cents, at most EUR 1,000,000, and not below the base fee."


class UseEnded(PurchaseError):
    code = "purchase_ended"
    sentence = "This purchase has ended, so nothing more of it is counted."


class UsedThisMonth(PurchaseError):
    """details: again_from, an instant."""

    code = "metered_this_month"
    sentence = "You have paid for this by use in this month already, and stopped. You can start again next month (UTC)."


class UsageCapReached(PurchaseError):
    """details: row_count, of what was asked for."""

    code = "usage_cap_reached"


class UsageNotCovered(PurchaseError):
    """details: missing_micros, currency."""

    code = "usage_not_covered"


class TrialUsedUp(PurchaseError):
    code = "trial_used_up"
