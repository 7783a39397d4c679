from marketplace.errors import MarketError


class ConsentError(MarketError):
    code = "consent_refused"


class NoDevices(ConsentError):
    code = "consent_without_devices"
    sentence = "Choose at least one device."


class DeviceNotUsable(ConsentError):
    code = "device_not_usable"
    sentence = (
        "One of the devices is not yours, has not enrolled yet or is retired. Choose among your enrolled devices."
    )


class FieldUnknown(ConsentError):
    code = "field_unknown"
    sentence = "None of these devices has sent one of the fields. Choose fields that the devices measure."


class NoFields(ConsentError):
    code = "consent_without_fields"
    sentence = "Choose at least one field."


class NoPurposes(ConsentError):
    code = "consent_without_purposes"
    sentence = "Choose at least one purpose. A consent without a purpose allows nothing."


class PurposeUnknown(ConsentError):
    code = "purpose_unknown"
    sentence = "One of the purposes is not in the list."


class ResolutionUnknown(ConsentError):
    code = "resolution_unknown"
    sentence = "This resolution does not exist."


class DelayOutOfRange(ConsentError):
    code = "delay_out_of_range"
    sentence = "The delay must be between none and 90 days."


class AudienceIncomplete(ConsentError):
    code = "audience_incomplete"
    sentence = "Name at least one buyer by e-mail address, or let anyone buy."


class TermOutOfRange(ConsentError):
    code = "term_out_of_range"
    sentence = "The consent must end in the future, at most five years from now."


class ConsentNotActive(ConsentError):
    code = "consent_not_active"
    sentence = "This consent was withdrawn or is over. Grant a new one first."


class RawOfOthers(ConsentError):
    code = "raw_of_others"
    sentence = "Where other people may be recorded, readings are averaged: choose 1 minute or coarser."


class RenewalUnknown(ConsentError):
    code = "renewal_unknown"
    sentence = "A renewal follows on a consent of your own that was not withdrawn."


class ConsentWidened(ConsentError):
    code = "consent_widened"
    sentence = "This would allow more than the consent does. A consent only gets narrower; grant a new one for more."


class NothingNarrowed(ConsentError):
    code = "nothing_narrowed"
    sentence = "These are the terms as they are. Take something away, or leave them."
