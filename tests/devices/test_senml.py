"""Resolving SenML packs: RFC 8428's examples, and everything that is refused."""

import json
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import (
    BatchError,
    ReadingInFuture,
    SenmlMalformed,
    TooManyReadings,
    UnitChanged,
    UnitUnknown,
    ValueUnsupported,
)
from devices.senml import Pack, resolve_pack
from tests.builders_devices import senml_cbor

NOW = 1_773_480_413
BASE = {"bn": "urn:dev:ow:10e2073a0108006:", "bt": 1.276020076001e9, "bu": "A", "bver": 5}
FIELDS = ["n", "u", "v", "t", "bn", "bt", "bu", "bv", "bver", "x_", "vs"]


def resolve_both(records: list[dict[str, Any]], issued_at: int = NOW) -> Pack:
    """Resolve as JSON and as CBOR, which must give the same."""
    from_json = resolve_pack(json.dumps(records).encode(), is_cbor=False, issued_at=issued_at)
    from_cbor = resolve_pack(senml_cbor(records), is_cbor=True, issued_at=issued_at)
    assert (from_json.names, from_json.units) == (from_cbor.names, from_cbor.units)
    assert from_json.values.tobytes() == from_cbor.values.tobytes()
    assert from_json.times.tobytes() == from_cbor.times.tobytes()
    return from_json


def assert_refused(error: type[BatchError], records: Any) -> None:
    payloads = [(json.dumps(records).encode(), False), (senml_cbor(records), True)]
    for payload, is_cbor in payloads:
        with pytest.raises(error) as refusal:
            resolve_pack(payload, is_cbor=is_cbor, issued_at=NOW)
        assert type(refusal.value) is error


def test_a_single_reading_of_now() -> None:
    """RFC 8428, 5.1.1."""
    pack = resolve_both([{"n": "urn:dev:ow:10e2073a01080063", "u": "Cel", "v": 23.1}])
    assert pack.names == ["urn:dev:ow:10e2073a01080063"]
    assert (pack.units, pack.values.tolist(), pack.times.tolist()) == (["Cel"], [23.1], [NOW * 1_000_000])


def test_base_fields_reach_the_records_below() -> None:
    """RFC 8428, 5.1.3, shortened."""
    pack = resolve_both(
        [
            {
                "bn": "urn:dev:ow:10e2073a0108006:",
                "bt": 1.276020076001e9,
                "bu": "A",
                "bver": 5,
                "n": "voltage",
                "u": "V",
                "v": 120.1,
            },
            {"n": "current", "t": -5, "v": 1.2},
            {"n": "current", "t": -4, "v": 1.3},
            {"bn": "other:", "bu": "W", "n": "power", "v": 1.7},
        ]
    )
    assert pack.names[0] == "urn:dev:ow:10e2073a0108006:voltage"
    assert pack.names[3] == "other:power"
    assert pack.units == ["V", "A", "A", "W"]
    base = 1_276_020_076_001_000
    assert pack.times.tolist() == [base, base - 5_000_000, base - 4_000_000, base]


def test_times_below_2_to_the_28_are_relative_to_the_issue() -> None:
    pack = resolve_both([{"n": "a", "u": "K", "v": 1, "t": -60}, {"n": "a", "u": "K", "v": 1, "t": 0.25}])
    assert pack.times.tolist() == [(NOW - 60) * 1_000_000, NOW * 1_000_000 + 250_000]


def test_base_value_is_added_and_may_stand_alone() -> None:
    pack = resolve_both([{"n": "a", "u": "K", "bv": 273.0, "v": 1.5}, {"n": "b", "u": "K"}])
    assert pack.values.tolist() == [274.5, 273.0]


def test_units_of_the_registry_become_ucum() -> None:
    pack = resolve_both([{"n": "a", "u": "%RH", "v": 1}, {"n": "b", "u": "/", "v": 1}, {"n": "c", "u": "kWh", "v": 1}])
    assert pack.unit_of == {"a": "%", "b": "1", "c": "kW.h"}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=50))
def test_values_stay_bit_for_bit(values: list[float]) -> None:
    pack = resolve_both([{"n": "a", "u": "K", "v": value} for value in values])
    assert pack.values.tobytes() == np.array(values).tobytes()


def test_unknown_fields_are_passed_over() -> None:
    assert resolve_both([{"n": "a", "u": "K", "v": 1, "colour": "red", "nested": {"x": [1]}}]).values.tolist() == [1.0]


@pytest.mark.parametrize(
    ("error", "records"),
    [
        (SenmlMalformed, []),
        (SenmlMalformed, {}),
        (SenmlMalformed, 5),
        (SenmlMalformed, [5]),
        (SenmlMalformed, [[]]),
        (SenmlMalformed, [{"u": "K", "v": 1}]),
        (SenmlMalformed, [{"n": "", "u": "K", "v": 1}]),
        (SenmlMalformed, [{"n": "_a", "u": "K", "v": 1}]),
        (SenmlMalformed, [{"n": "a b", "u": "K", "v": 1}]),
        (SenmlMalformed, [{"n": "a" * 101, "u": "K", "v": 1}]),
        (SenmlMalformed, [{"n": 5, "u": "K", "v": 1}]),
        (SenmlMalformed, [{"n": "a", "u": "K"}]),
        (SenmlMalformed, [{"n": "a", "u": "K", "v": None}]),
        (SenmlMalformed, [{"n": None, "u": "K", "v": 1}]),
        (SenmlMalformed, [{"n": "a", "u": "K", "v": "1"}]),
        (SenmlMalformed, [{"n": "a", "u": "K", "v": True}]),
        (SenmlMalformed, [{"n": "a", "u": "K", "v": 1, "t": "now"}]),
        (SenmlMalformed, [{"n": "a", "u": "K", "v": 1, "t": -1e300}]),
        (SenmlMalformed, [{"n": "a", "u": "K", "v": 1, "bver": 11}]),
        (SenmlMalformed, [{"n": "a", "u": "K", "v": 1, "bver": 5.5}]),
        (SenmlMalformed, [{"n": "a", "u": "K", "v": 1, "must_": 1}]),
        (SenmlMalformed, [{"n": "a", "u": "K", "v": 1e308, "bv": 1e308}]),
        (UnitUnknown, [{"n": "a", "v": 1}]),
        (UnitUnknown, [{"n": "a", "u": "", "v": 1}]),
        (UnitUnknown, [{"n": "a", "u": "bananas", "v": 1}]),
        (UnitChanged, [{"n": "a", "u": "K", "v": 1}, {"n": "a", "u": "Cel", "v": 1}]),
        (ReadingInFuture, [{"n": "a", "u": "K", "v": 1, "t": 1e300}]),
        (ReadingInFuture, [{"n": "a", "u": "K", "v": 1, "t": 301}]),
        (TooManyReadings, [{"n": "a", "u": "K", "v": 1}] * 10_001),
    ],
)
def test_refuses(error: type[BatchError], records: Any) -> None:
    assert_refused(error, records)


@pytest.mark.parametrize("field", ["vs", "vd", "vb", "s", "bs"])
def test_refuses_what_is_no_number(field: str) -> None:
    value = {"vs": "on", "vd": "AA", "vb": True, "s": 1, "bs": 1}[field]
    label = {"vs": 3, "vd": 8, "vb": 4, "s": 5, "bs": -6}[field]
    record = {"n": "a", "u": "K", field: value}
    with pytest.raises(ValueUnsupported):
        resolve_pack(json.dumps([record]).encode(), is_cbor=False, issued_at=NOW)
    with pytest.raises(ValueUnsupported):
        resolve_pack(cbor2.dumps([{0: "a", 1: "K", label: value}]), is_cbor=True, issued_at=NOW)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"[",
        b"[{}]x",
        b"\xff\xfe",
        b'[{"n":"a","u":"K","v":NaN}]',
        b'[{"n":"a","u":"K","v":Infinity}]',
        b'[{"n":"a","u":"K","v":1e999}]',
        b'[{"n":"a","u":"K","v":1' + b"0" * 400 + b"}]",
        b'[{"n":"a","u":"K","v":1,"v":2}]',
        b'[{"n" :"a","n":"b","u":"K","v":1}]',
        b'[{"n":"a","u":"K","v":1,"x\\u005f":2}]',
        b'[{"n":"a\\u0000","u":"K","v":1}]',
        b'[{"n":"\\ud800","u":"K","v":1}]',
        b'[{"n":"a","u":"\\ud800","v":1}]',
        b"[" * 100_000,
    ],
)
def test_refuses_broken_json(payload: bytes) -> None:
    with pytest.raises((SenmlMalformed, UnitUnknown)):
        resolve_pack(payload, is_cbor=False, issued_at=NOW)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x81",
        cbor2.dumps([{0: "a", 1: "K", 2: 1}]) + b"\x00",
        b"\x9f" + cbor2.dumps({0: "a", 1: "K", 2: 1}) + b"\xff",
        b"\x81\xa4\x00\x61a\x01\x61K\x02\x01\x02\x02",
        cbor2.dumps([{0: "a", 1: "K", 2: float("nan")}]),
        cbor2.dumps([{0: "a", 1: "K", 2: float("inf")}]),
        cbor2.dumps([{0: "a", 1: "K", 2: 10**400}]),
        cbor2.dumps([{0: "a", 1: "K", 2: cbor2.CBORTag(35, "(")}]),
        cbor2.dumps([{0: "a", 1: "K", 2: [1]}]),
        b"\x81" * 5000,
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    ],
)
def test_refuses_broken_cbor(payload: bytes) -> None:
    with pytest.raises(SenmlMalformed):
        resolve_pack(payload, is_cbor=True, issued_at=NOW)


def test_takes_short_cbor_floats() -> None:
    """A device may write 1.5 in two bytes."""
    payload = b"\x81\xa3\x00\x61a\x01\x61K\x02\xf9\x3e\x00"
    assert resolve_pack(payload, is_cbor=True, issued_at=NOW).values.tolist() == [1.5]


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_LIKE, st.binary(max_size=40))
def test_nothing_crashes_it(value: Any, noise: bytes) -> None:
    records = [value] if isinstance(value, dict) else value
    for payload, is_cbor in [
        (json.dumps(records).encode(), False),
        (
            senml_cbor(records) if not isinstance(records, list) or all(isinstance(r, dict) for r in records) else b"",
            True,
        ),
        (noise, False),
        (noise, True),
        (b"\x81" + noise, True),
    ]:
        try:
            resolve_pack(payload, is_cbor=is_cbor, issued_at=NOW)
        except BatchError:
            continue


@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**63, 2**64, -(2**64) - 1, 10**30])
@pytest.mark.parametrize("field", ["v", "t", "bv", "bt"])
def test_refuses_integers_that_would_be_rounded(field: str, number: int) -> None:
    """From 2**64 on cbor2 writes and reads a tagged bignum."""
    assert_refused(SenmlMalformed, [{"n": "a", "u": "Cel", "v": 1, "t": NOW} | {field: number}])


@pytest.mark.parametrize("number", [2**53, -(2**53), 2.0**60, -1e300])
def test_takes_integers_and_floats_that_stay_what_they_are(number: float) -> None:
    pack = resolve_both([{"n": "a", "u": "Cel", "v": 1.5, "t": NOW}, {"n": "a", "u": "Cel", "v": number, "t": NOW + 1}])
    assert pack.values.tolist() == [1.5, number]


@pytest.mark.parametrize(
    "payload",
    [
        b"\x81\xa3\x00\x61a\x01\x63Cel\x02\xc2\x41\x05",  # a bignum that would fit into one byte
        b"\x81\xa3\x00\x61a\x01\x63Cel\x02\xc2\x49\x01" + bytes(8),  # the bignum 2**64
        b"\x81\xa4\x00\x61a\x01\x63Cel\x02\x05\x18\x64\xc2\x49\x01" + bytes(8),  # behind a label that nobody reads
        b"\x81\xa3\x00\x61a\xf5\x63Cel\x02\x05",  # the label true, which equals 1
        b"\x81\xa3\x00\x61a\x01\x63Cel\xf9\x40\x00\x05",  # the label 2.0
    ],
)
def test_refuses_tags_and_labels_that_only_look_like_ours(payload: bytes) -> None:
    with pytest.raises(SenmlMalformed):
        resolve_pack(payload, is_cbor=True, issued_at=NOW)


def test_an_unknown_label_without_a_tag_may_stay() -> None:
    payload = cbor2.dumps([{0: "a", 1: "Cel", 2: 5, 100: "extra"}])
    assert resolve_pack(payload, is_cbor=True, issued_at=NOW).values.tolist() == [5]
