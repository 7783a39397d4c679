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
        "A free plan costs nothing, every other plan costs at least EUR 0.01 and whole cents, "
        "and a period lasts 1 to 366 days."
    )


class PlansConflict(ListingError):
    code = "plans_conflict"
    sentence = (
        "Two plans sell the same thing at two prices. Offer the history once, either free or at a price, "
        "and each length of period once."
    )


class PlanOutlivesConsent(ListingError):
    """What the plan promises can't all be delivered before the consent ends. details: valid_until."""

    code = "plan_outlives_consent"
    sentence = "A plan lasts longer than the consent it stands on. Shorten it, or sell under a consent that ends later."


class TooManyPlans(ListingError):
    code = "too_many_plans"
    sentence = "A listing has at most six plans."


class ConsentNotYours(ListingError):
    code = "consent_not_yours"
    sentence = "A listing can only stand on a consent of your own."
