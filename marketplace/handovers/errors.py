"""Why a device does not change hands."""

from marketplace.errors import MarketError


class HandoverError(MarketError):
    code = "handover_refused"


class OfferUnknown(HandoverError):
    """Also for a code that was made for another address: who guesses learns nothing."""

    code = "handover_offer_unknown"
    sentence = "No device is offered to your address under this code. Compare both with whoever gave you the code."


class OfferOver(HandoverError):
    code = "handover_offer_over"
    sentence = "This offer is over: it was withdrawn, or it is older than three days. Ask for a new code."


class NotYourself(HandoverError):
    code = "handover_to_yourself"
    sentence = "This is your own address. Name the person who takes the device over."


class DeviceNotInUse(HandoverError):
    code = "handover_device_not_in_use"
    sentence = "Only a device that is enrolled, and neither retired nor handed over, can go to another owner."
