"""Why access is refused. The doors answer with http_status and, in WWW-Authenticate, with error (RFC 6750, 3.1)."""

from typing import ClassVar

from marketplace.errors import MarketError


class AccessError(MarketError):
    code = "access_refused"
    sentence = "Access is refused."
    http_status: ClassVar[int] = 403
    error: ClassVar[str] = "insufficient_scope"


class TokenMissing(AccessError):
    code = "token_missing"
    sentence = "Send the access token as 'Authorization: Bearer ...'."
    http_status = 401
    error = ""  # RFC 6750: a request without credentials is told the scheme only.


class TokenUnknown(AccessError):
    code = "token_unknown"
    sentence = "This access token is not known here."
    http_status = 401
    error = "invalid_token"


class TokenExpired(AccessError):
    code = "token_expired"
    sentence = "This access token has expired."
    http_status = 401
    error = "invalid_token"


class TokenRevoked(AccessError):
    code = "token_revoked"
    sentence = "This access token was revoked."
    http_status = 401
    error = "invalid_token"


class AccountClosed(AccessError):
    code = "account_closed"
    sentence = "The account that bought this data is closed."


class ConsentWithdrawn(AccessError):
    code = "consent_withdrawn"
    sentence = "The owner has withdrawn the consent for this data."


class ConsentEnded(AccessError):
    code = "consent_ended"
    sentence = "The owner's consent for this data has ended."


class ListingWithdrawn(AccessError):
    code = "listing_withdrawn"
    sentence = "The seller has withdrawn this listing."


class PurchaseNotRecorded(AccessError):
    code = "purchase_not_recorded"
    sentence = "The purchase is not in the log yet; that takes a few seconds."


class PurchaseEnded(AccessError):
    code = "purchase_ended"
    sentence = "The time for which this purchase gives access is over."


class PurchaseRefunded(AccessError):
    code = "purchase_refunded"
    sentence = "The money for this purchase went back, so it opens nothing any more."


class TooManyTokens(AccessError):
    code = "too_many_tokens"
    sentence = "This purchase has as many working tokens as it may have. Revoke one first."


class UsageCapReached(AccessError):
    code = "usage_cap_reached"
    sentence = (
        "Reading this would cost more than the monthly cap that you set. Load less, raise the cap, or wait for the "
        "next month (UTC)."
    )


class UsageNotCovered(AccessError):
    code = "usage_not_covered"
    sentence = "Your wallet does not hold what was used so far and what this would add. Top it up and try again."


class TrialUsedUp(AccessError):
    code = "trial_used_up"
    sentence = "The rows of this trial are used up."


class NarrowingInvalid(AccessError):
    """details["field"] names what is wrong, in the words of Narrowing."""

    code = "narrowing_invalid"
    sentence = "A token cannot be narrowed like this."


class TokenTooWide(AccessError):
    """details["field"] as in NarrowingInvalid."""

    code = "token_too_wide"
    sentence = "A token cannot open more than what was bought."


class NothingLeft(AccessError):
    code = "nothing_left"
    sentence = "The owner has narrowed the consent, and nothing is left of what this token was made for."


class NetworkRefused(AccessError):
    code = "network_refused"
    sentence = "This access token is not valid from your network."


class TokenRowsUsedUp(AccessError):
    code = "token_rows_used_up"
    sentence = "Reading this would pass the number of rows that this access token may read."


class RateExceeded(AccessError):
    """details["retry_after_seconds"]: when the next request may come."""

    code = "rate_exceeded"
    sentence = "This access token has had as many requests in this minute as it may have."
    http_status = 429
    error = ""


class ClientExists(AccessError):
    code = "client_exists"
    sentence = "This purchase has an OAuth client already. Revoke it first to get a new secret."


class NotRotatable(AccessError):
    code = "not_rotatable"
    sentence = "Only a token of your own is rotated. For a new client secret, revoke the client and make another one."
    http_status = 400
    error = "invalid_request"


class TokenMalformed(AccessError):
    code = "token_malformed"
    sentence = "This token holds something that is not understood here. The market's documentation lists the checks."
    http_status = 401
    error = "invalid_token"


class TooManyDelegated(AccessError):
    code = "too_many_delegated"
    sentence = "As many tokens as may be were passed on from this one. Their giver can revoke some."


class NotDelegable(AccessError):
    code = "not_delegable"
    sentence = "Only a working token of your own can be passed on."
