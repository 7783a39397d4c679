from marketplace.errors import MarketError


class ListingError(MarketError):
    code = "listing_refused"


class ListingNotDraft(ListingError):
    code = "listing_not_draft"
    sentence = "A published listing keeps its text. To change it, withdraw the listing and make a new one."


class ListingIncomplete(ListingError):
    code = "listing_incomplete"
    sentence = "Give the listing a title, a text, a licence and at least one plan before you publish it."


class ListingAlreadyWithdrawn(ListingError):
    code = "listing_withdrawn"
    sentence = "This listing was withdrawn. Make a new one to sell again."


class ListingNotPublished(ListingError):
    code = "listing_not_published"
    sentence = "This listing is a draft. Delete it instead of withdrawing it."


class PlanInvalid(ListingError):
    code = "plan_invalid"
    sentence = (
        "A plan costs EUR 0.01 to 1,000,000 in whole cents, and nothing when it is free or a trial. A period lasts an "
        "hour to 366 days, a trial an hour to 90 days or 1 to 1,000,000 rows. A monthly cap is not below the base fee."
    )


class PlansConflict(ListingError):
    code = "plans_conflict"
    sentence = (
        "Two plans sell the same thing at two prices. Offer the history once, either free or at a price, "
        "each length of period once, one trial, and each way of metering once."
    )


class PlanOutlivesConsent(ListingError):
    """What the plan promises can't all be delivered before the consent ends. details: valid_until."""

    code = "plan_outlives_consent"
    sentence = "A plan lasts longer than the consent it stands on. Shorten it, or sell under a consent that ends later."


class TooManyPlans(ListingError):
    code = "too_many_plans"
    sentence = "A listing has at most twenty plans."


class ConsentNotYours(ListingError):
    code = "consent_not_yours"
    sentence = "A listing can only stand on a consent of your own."


class PlanRetired(ListingError):
    code = "plan_retired"
    sentence = "This plan is not sold any more. Look at the listing's plans again."


class LastPlan(ListingError):
    code = "last_plan"
    sentence = "This is the only plan that everybody can buy. Withdraw the listing to stop selling it."


class OfferInvalid(ListingError):
    code = "offer_invalid"
    sentence = "An offer is a price for the history or a period, to somebody else's address, open up to 90 days."


class OfferNotAllowed(ListingError):
    code = "offer_not_allowed"
    sentence = "Your consent names who may buy, and this address is not among them."
