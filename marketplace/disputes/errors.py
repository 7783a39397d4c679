"""Why a dispute does not move on."""

from marketplace.errors import MarketError


class DisputeError(MarketError):
    code = "dispute_refused"


class NothingToDispute(DisputeError):
    code = "nothing_to_dispute"
    sentence = "No money of this purchase is on hold any more, so a dispute could give nothing back."


class DisputeOpenAlready(DisputeError):
    """details: dispute, the public id of the one that is open."""

    code = "dispute_open_already"
    sentence = "A dispute about this purchase is open already."


class TooManyDisputes(DisputeError):
    code = "too_many_disputes"
    sentence = "You have taken back three disputes about this purchase, and no further one can be opened."


class DisputeEnded(DisputeError):
    code = "dispute_ended"
    sentence = "This dispute is over."


class AnsweredAlready(DisputeError):
    code = "dispute_answered_already"
    sentence = "You have answered this dispute. An operator decides next."


class AnswerAwaited(DisputeError):
    """details: until, when the owner's time ends."""

    code = "dispute_answer_awaited"
    sentence = "The owner still has time to answer. Decide once the answer is there, or the time is over."


class TextMissing(DisputeError):
    code = "dispute_text_missing"
    sentence = "Say what is wrong, in your own words."


class TextTooLong(DisputeError):
    code = "dispute_text_too_long"
    sentence = "Say it in at most 4,000 characters."


class ReasonUnknown(DisputeError):
    code = "dispute_reason_unknown"
    sentence = "Choose one of the reasons."


class RefundOutOfRange(DisputeError):
    """details: held_micros, the most that can go back."""

    code = "dispute_refund_out_of_range"
    sentence = "A refund is more than nothing and at most what is on hold for the purchase."


class PartyDecides(DisputeError):
    code = "dispute_party_decides"
    sentence = "You bought or sold this yourself, so somebody else must decide."
