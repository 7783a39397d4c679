"""What stops the agent, and what its user can do about each refusal."""


class AgentError(Exception):
    """str(error) is what the user reads."""


class MappingError(AgentError):
    """The recording does not fit its mapping."""


class ServerUnreachable(AgentError):
    """The server did not answer, or not sensibly, in all tries."""


class ServerRefused(AgentError):
    """A refusal with a code that no retry would change."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        advice = ADVICE.get(code, "")
        super().__init__(f"The server refused ({code}): {detail}" + (f"\nWhat to do: {advice}" if advice else ""))
        self.status = status
        self.code = code


# Refusals of what is in a batch: it was not taken and never will be.
CONTENT_REFUSALS = frozenset(
    """
    batch_too_large http_413 reading_in_future senml_malformed too_many_days too_many_measures too_many_readings
    unit_changed unit_unknown value_unsupported
    """.split()  # noqa: SIM905 - it reads better.
)

ADVICE = {
    "batch_too_large": "send fewer readings in one batch, for example --batch-size 500.",
    "too_many_readings": "send fewer readings in one batch: --batch-size is at most 10000.",
    "too_many_days": "send fewer readings in one batch, for example --batch-size 300.",
    "too_many_measures": "send fewer measures, or add a second device for the others.",
    "claim_expired": "run enrol again with the newest code of the device's page, or with a new one from there.",
    "claim_unknown": "compare the code with the one on the device's page, letter by letter.",
    "claim_used": "if enrol was cut off before, the device may be enrolled already: look at its page, or try send."
    " Else ask for a new claim code there.",
    "clock_skew": "set this machine's clock (for example by NTP) and run the same command again.",
    "device_enrolled": "this device has a key already. Add a new device on the website and use its code.",
    "device_retired": "the owner retired this device. Add a new device and enrol it with another --state folder.",
    "envelope_malformed": "the agent and the server are of different versions: update the agent.",
    "key_taken": "this key is in use. Enrol with an empty --state folder, which makes a new key.",
    "key_unknown": "this device is not enrolled at this server. Run enrol with a claim code.",
    "nonce_invalid": "run enrol again, with the code exactly as the device's page shows it.",
    "proof_invalid": "run enrol again. If it stays, the key file is damaged: use a new --state folder.",
    "reading_in_future": "check --utc-offset and --time-format: a reading lies ahead of this machine's clock.",
    "senml_malformed": "check the names of the measures: letters, digits and - : . / _ only.",
    "sequence_conflict": "another copy of this state folder was used. Use one folder for one device only.",
    "signature_invalid": "the key file is damaged or was exchanged. Bring it back, or enrol a new device.",
    "too_many_batches": "put more readings in one batch, for example --batch-size 5000.",
    "too_many_guesses": "wait ten minutes, then run enrol again with the code from the device's page.",
    "unit_changed": "keep the measure's unit, or give the measure another name in --map.",
    "unit_unknown": "use a unit of SenML or UCUM in --map, such as Cel, W/m2, %RH, hPa, kWh, or / for a plain number.",
    "value_unsupported": "send numbers only.",
}
