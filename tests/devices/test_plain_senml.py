"""The verifier's own reader of SenML gives what the market's gives, to the last bit, and refuses what that refuses."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import BatchError
from devices.plain_senml import SenmlRefused, plain_readings
from devices.senml import resolve_pack
from tests.builders_devices import senml_cbor

ISSUED_AT = 1_773_480_000
numbers = st.floats(-1e9, 1e9) | st.integers(-(2**53), 2**53) | st.sampled_from([0.1, -0.0, 1e300, 5e-324])
times = st.floats(-1e6, 200.0) | st.floats(1.5e9, 1.77e9) | st.integers(-1000, 200)
records = st.fixed_dictionaries(
    {"u": st.just("Cel"), "v": numbers},
    optional={
        "n": st.sampled_from(["a", "b/c"]),
        "t": times,
        "bn": st.sampled_from(["x", "y:"]),
        "bt": times,
        "bv": st.floats(-1e9, 1e9),
        "bu": st.just("Cel"),
    },
)


@given(pack=st.lists(records, min_size=1, max_size=8), is_cbor=st.booleans())
def test_reads_what_the_market_reads(pack, is_cbor):
    payload = senml_cbor(pack) if is_cbor else json.dumps(pack).encode()
    try:
        resolved = resolve_pack(payload, is_cbor=is_cbor, issued_at=ISSUED_AT)
    except BatchError:
        # The verifier need not refuse what the market never takes.
        return
    plain = plain_readings(payload, is_cbor=is_cbor, issued_at=ISSUED_AT)
    assert [(one.name, one.time, one.value.hex()) for one in plain] == [
        (name, int(time), float(value).hex())
        for name, time, value in zip(resolved.names, resolved.times, resolved.values, strict=True)
    ]


@given(payload=st.binary(max_size=200), is_cbor=st.booleans())
def test_any_bytes_are_read_or_refused(payload, is_cbor):
    with suppress(SenmlRefused):
        plain_readings(payload, is_cbor=is_cbor, issued_at=ISSUED_AT)


@pytest.mark.parametrize(
    "payload", [b"[" * 100_000, b'[{"v": NaN}]', b'[{"v": 1, "v": 1}]', b'[{"v": 1e999}]', b'[{"v": true}]', b"\xff"]
)
def test_what_is_not_senml_is_refused(payload):
    with pytest.raises(SenmlRefused):
        plain_readings(payload, is_cbor=False, issued_at=ISSUED_AT)
