"""Write readings as a SenML pack (RFC 8428). A float is written so that the very same float is read back."""

import json
from collections.abc import Sequence

import cbor2

from devices.agent.recording import Reading
from devices.envelope import SENML_CBOR, SENML_JSON

CONTENT_TYPES = {"json": SENML_JSON, "cbor": SENML_CBOR}
_NAME, _UNIT, _VALUE, _TIME = 0, 1, 2, 6


def encode_pack(readings: Sequence[Reading], *, form: str) -> bytes:
    """form: json or cbor."""
    if form == "cbor":
        return cbor2.dumps(
            [{_NAME: name, _UNIT: unit, _TIME: _short(time), _VALUE: value} for time, name, value, unit in readings]
        )
    records = [{"n": name, "u": unit, "t": _short(time), "v": value} for time, name, value, unit in readings]
    return json.dumps(records, separators=(",", ":"), allow_nan=False).encode()


def _short(seconds: float) -> float | int:
    return int(seconds) if seconds.is_integer() else seconds
