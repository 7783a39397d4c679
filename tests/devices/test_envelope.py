"""The envelope, with the cwt package as a second opinion."""

from typing import Any

import cbor2
import pytest
from cwt import COSE, COSEHeaders, COSEKey
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from devices.didkey import did_key, key_id
from devices.envelope import SENML_CBOR, SENML_JSON, open_envelope, sign_envelope, verify_envelope
from devices.errors import BatchError, EnvelopeMalformed, SignatureInvalid

KEY = SigningKey(bytes(range(32)))
PUBLIC_KEY = bytes(KEY.verify_key)
GOOD = sign_envelope(key=KEY, content_type=SENML_JSON, payload=b"[]", issued_at=1_700_000_000, sequence=7)


def cose_key(*, with_private: bool = False) -> Any:
    parts = {1: 1, -1: 6, 2: key_id(PUBLIC_KEY), 3: -8, -2: PUBLIC_KEY}
    return COSEKey.new(parts | ({-4: bytes(KEY)} if with_private else {}))


def repacked(**changes: object) -> bytes:
    """The good envelope with other header labels, signed again."""
    header = cbor2.loads(cbor2.loads(GOOD).value[0])
    for label, value in changes.items():
        place = {"alg": 1, "kind": 3, "kid": 4, "claims": 15}.get(label, label)
        header[place] = value
    return enclosed(cbor2.dumps({label: value for label, value in header.items() if value is not None}))


def enclosed(protected: bytes, unprotected: object = None, payload: bytes = b"[]") -> bytes:
    return cbor2.dumps(cbor2.CBORTag(18, [protected, unprotected or {}, payload, bytes(64)]))


def test_another_implementation_accepts_ours() -> None:
    protected, unprotected, payload = COSE.new().decode_with_headers(GOOD, cose_key())
    assert payload == b"[]"
    assert unprotected == {}
    assert protected[COSEHeaders.ALG] == -8
    assert protected[15] == {1: did_key(PUBLIC_KEY), 6: 1_700_000_000}


def test_we_accept_another_implementations() -> None:
    protected = cbor2.loads(cbor2.loads(GOOD).value[0])
    theirs = COSE.new().encode(b"[]", cose_key(with_private=True), protected=protected)
    opened = open_envelope(theirs)
    verify_envelope(opened, PUBLIC_KEY)
    assert (opened.sequence, opened.issued_at, opened.content_type) == (7, 1_700_000_000, SENML_JSON)


def test_reads_what_it_wrote() -> None:
    opened = open_envelope(GOOD)
    verify_envelope(opened, PUBLIC_KEY)
    assert opened.issuer == did_key(PUBLIC_KEY)
    assert opened.key_id == key_id(PUBLIC_KEY)
    assert (opened.payload, opened.sequence, opened.issued_at) == (b"[]", 7, 1_700_000_000)


def test_did_key_of_a_published_example() -> None:
    # From the did:key specification's Ed25519 test vectors.
    public_key = bytes.fromhex("2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6")
    assert did_key(public_key) == "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


def test_another_key_does_not_verify() -> None:
    with pytest.raises(SignatureInvalid):
        verify_envelope(open_envelope(GOOD), bytes(SigningKey.generate().verify_key))


@pytest.mark.parametrize(
    "changes",
    [
        {"alg": -7},
        {"alg": -8.0},
        {"alg": None},
        {"kind": "application/json"},
        {"kind": 50},
        {"kind": [SENML_CBOR]},
        {"kid": b"short"},
        {"kid": "x" * 16},
        {"claims": {}},
        {"claims": {1: "did:key:z6Mk"}},
        {"claims": {1: 5, 6: 1}},
        {"claims": {1: "did:key:z6Mk", 6: 1.5}},
        {"claims": {1: "did:key:z6Mk", 6: -1}},
        {"claims": {1: "did:key:z6Mk", 6: True}},
        {"claims": {1: "did:key:z6Mk", 6: 2**63}},
        {"seq": 0},
        {"seq": -1},
        {"seq": 2**53},
        {"seq": True},
        {"seq": None},
        {"crit": 1},
    ],
)
def test_rejects_a_header_that_is_not_ours(changes: dict[str, object]) -> None:
    with pytest.raises(EnvelopeMalformed):
        open_envelope(repacked(**changes))


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\xd2",
        b"\xd2\x84",
        GOOD + b"\x00",
        GOOD[:-1],
        GOOD[1:],
        b"\xd2\x9f" + GOOD[2:] + b"\xff",
        enclosed(cbor2.dumps({1: -8}), {4: b"outside"}),
        enclosed(b"\xbf\x01\x27\xff"),
        enclosed(b"\xa2\x01\x27\x01\x27"),
        enclosed(cbor2.dumps({1: -8}) + b"\x00"),
        enclosed(cbor2.dumps(cbor2.CBORTag(35, "(")), {}),
        enclosed(b"\xa0" + bytes(600)),
        b"\xd2\x84\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xd2\x84" + b"\x81" * 5000,
    ],
)
def test_rejects_what_is_ambiguous_or_broken(encoded: bytes) -> None:
    with pytest.raises(EnvelopeMalformed):
        open_envelope(encoded)


@given(st.binary(max_size=300))
def test_no_bytes_crash_it(noise: bytes) -> None:
    for encoded in (noise, b"\xd2\x84" + noise, GOOD[: len(noise)] + noise):
        try:
            open_envelope(encoded)
        except BatchError:
            continue
