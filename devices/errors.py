"""Every reason for which a device, or its owner, is refused. `code` never changes; str(error) says what to do."""

from typing import ClassVar

from devices.limits import CLAIM_MINUTES, CLOCK_SKEW_MINUTES


class DeviceError(Exception):
    """A refusal that the caller can act on. Nothing was written."""

    code: ClassVar[str] = "device_refused"
    sentence: ClassVar[str] = "This is not possible for this device."

    def __init__(self, sentence: str = "", **details: object) -> None:
        super().__init__(sentence or self.sentence)
        self.details = details


class BatchError(DeviceError):
    """A batch that is not taken."""

    code = "batch_refused"


class EnvelopeMalformed(BatchError):
    code = "envelope_malformed"
    sentence = "The body is not a COSE_Sign1 envelope as docs/devices.md describes it."


class SignatureInvalid(BatchError):
    code = "signature_invalid"
    sentence = "The signature does not fit the envelope and the device's key."


class KeyUnknown(BatchError):
    code = "key_unknown"
    sentence = "No device was enrolled with this key. Enrol the device with a claim code first."


class DeviceRetired(BatchError):
    code = "device_retired"
    sentence = "This device was retired by its owner. Its key is refused from then on."


class SequenceConflict(BatchError):
    code = "sequence_conflict"
    sentence = "A batch with this sequence number was taken before, and its content was different."


class ClockSkew(BatchError):
    code = "clock_skew"
    sentence = (
        f"The batch was issued more than {CLOCK_SKEW_MINUTES} minutes from the server's time. "
        "Set the clock and sign anew."
    )


class BatchTooLarge(BatchError):
    code = "batch_too_large"
    sentence = "A batch has at most 1 MiB (1,048,576 bytes). Send fewer readings in one batch."


class TooManyReadings(BatchError):
    code = "too_many_readings"
    sentence = "A batch has at most 10,000 records. Send fewer readings in one batch."


class TooManyDays(BatchError):
    code = "too_many_days"
    sentence = "The readings of a batch lie on at most 400 different days. Send fewer readings in one batch."


class TooManyMeasures(BatchError):
    code = "too_many_measures"
    sentence = "A device has at most 200 measures."


class TooManyBatches(BatchError):
    """retry_after_seconds: from then on batches of the device are taken again."""

    code = "too_many_batches"
    sentence = "This device sends more batches a minute than are taken. Wait, and put more readings in one batch."

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__()
        self.retry_after_seconds = retry_after_seconds


class SenmlMalformed(BatchError):
    code = "senml_malformed"
    sentence = "The payload is not a SenML pack (RFC 8428)."


class ValueUnsupported(BatchError):
    code = "value_unsupported"
    sentence = "Only numbers are taken: records with vs, vb, vd or s are refused."


class UnitUnknown(BatchError):
    code = "unit_unknown"
    sentence = "The unit is neither in the SenML registry nor a UCUM unit."


class UnitChanged(BatchError):
    code = "unit_changed"
    sentence = "This measure was sent in another unit before. Use another name for another unit."


class ReadingInFuture(BatchError):
    code = "reading_in_future"
    sentence = "A reading's time is later than the moment at which the batch was issued."


class EnrolmentError(DeviceError):
    """An enrolment that fails."""

    code = "enrolment_refused"


class ClaimUnknown(EnrolmentError):
    code = "claim_unknown"
    sentence = "There is no such claim code. Compare it with the one on the device's page."


class ClaimUsed(EnrolmentError):
    code = "claim_used"
    sentence = "This claim code was used already. Ask for a new one on the device's page."


class ClaimExpired(EnrolmentError):
    code = "claim_expired"
    sentence = (
        f"This claim code is no longer good: its {CLAIM_MINUTES} minutes are over, or a newer one replaced it. "
        "Use the newest code of the device's page, or ask for a new one there."
    )


class NonceInvalid(EnrolmentError):
    code = "nonce_invalid"
    sentence = "The nonce is not one of this server's, is too old, or was made for another claim code."


class ProofInvalid(EnrolmentError):
    code = "proof_invalid"
    sentence = "The proof does not show that the device holds the private key."


class KeyTaken(EnrolmentError):
    code = "key_taken"
    sentence = "A device was enrolled with this key before. A key belongs to one device only."


class DeviceEnrolled(EnrolmentError):
    code = "device_enrolled"
    sentence = "This device is enrolled already, or was retired. Add a new device instead."


class DeviceNotEnrolled(DeviceError):
    code = "device_not_enrolled"
    sentence = "This device is not enrolled."


class DeviceHandedOver(DeviceError):
    code = "device_handed_over"
    sentence = "This device was handed over to somebody else already."
