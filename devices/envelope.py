"""The signed envelope of a batch: COSE_Sign1 with Ed25519 around a SenML pack. Pure.

Protected header: 1 alg = -8 (EdDSA), 3 content type, 4 key id, 15 CWT claims {1 issuer: did:key, 6 issued at}, and
the text label "seq" = the batch's sequence number. The unprotected header is empty, the tag is 18.
Source: RFC 9052 (COSE), RFC 9597 (claims in headers), RFC 8392 (CWT), RFC 8032 (Ed25519).
"""

from dataclasses import dataclass
from typing import Any

import cbor2
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from devices.didkey import KEY_ID_BYTES, did_key, key_id
from devices.errors import BatchTooLarge, EnvelopeMalformed, SignatureInvalid
from devices.strict_cbor import CborRefused, decode_head, decode_strictly

ALG, CONTENT_TYPE, KID, CWT_CLAIMS, SEQUENCE = 1, 3, 4, 15, "seq"
ISSUER, ISSUED_AT = 1, 6
EDDSA = -8
SENML_JSON = "application/senml+json"
SENML_CBOR = "application/senml+cbor"
MAX_ENVELOPE_BYTES = 1024 * 1024
MAX_SEQUENCE = 2**53 - 1
_MAX_PROTECTED_BYTES = 512
_MAX_UNIX_SECONDS = 253402300799  # the end of the year 9999
_START = b"\xd2\x84"  # tag 18, array of 4
_EMPTY_MAP = 0xA0
_SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Envelope:
    content_type: str
    key_id: bytes
    issuer: str
    issued_at: int
    sequence: int
    protected: bytes
    payload: bytes
    signature: bytes


def sign_envelope(*, key: SigningKey, content_type: str, payload: bytes, issued_at: int, sequence: int) -> bytes:
    """Return a signed envelope. issued_at: unix seconds; sequence: 1 and up, never used for other readings again."""
    public_key = bytes(key.verify_key)
    header = {
        ALG: EDDSA,
        CONTENT_TYPE: content_type,
        KID: key_id(public_key),
        CWT_CLAIMS: {ISSUER: did_key(public_key), ISSUED_AT: issued_at},
        SEQUENCE: sequence,
    }
    protected = cbor2.dumps(header)
    signature = key.sign(signed_bytes(protected, payload)).signature
    return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))


def signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """Return the Sig_structure that the signature is over. Source: RFC 9052, 4.4."""
    return cbor2.dumps(["Signature1", protected, b"", payload])


def open_envelope(encoded: bytes) -> Envelope:
    """Read an envelope without trusting it. Raises: BatchTooLarge, EnvelopeMalformed."""
    if len(encoded) > MAX_ENVELOPE_BYTES:
        raise BatchTooLarge
    if encoded[:2] != _START:
        raise EnvelopeMalformed("The body does not start with CBOR tag 18 (COSE_Sign1) and an array of four.")
    try:
        protected, at = _byte_string(encoded, 2)
        if encoded[at : at + 1] != bytes([_EMPTY_MAP]):
            raise EnvelopeMalformed("The unprotected header must be an empty map: nobody signs what is in it.")
        payload, at = _byte_string(encoded, at + 1)
        signature, at = _byte_string(encoded, at)
        if at != len(encoded):
            raise EnvelopeMalformed("There are bytes after the end of the envelope.")
        if len(protected) > _MAX_PROTECTED_BYTES:
            raise EnvelopeMalformed("The protected header has more than 512 bytes.")
        header = decode_strictly(protected)
    except CborRefused as error:
        raise EnvelopeMalformed(str(error)) from error
    if len(signature) != _SIGNATURE_BYTES:
        raise EnvelopeMalformed("An Ed25519 signature has 64 bytes.")
    return _envelope(header, protected, payload, signature)


def verify_envelope(envelope: Envelope, public_key: bytes) -> None:
    """Check the signature, and that key id and issuer name this very key. Raises SignatureInvalid."""
    if envelope.key_id != key_id(public_key) or envelope.issuer != did_key(public_key):
        raise SignatureInvalid("The issuer (did:key) or the key id in the envelope names another key.")
    try:
        VerifyKey(public_key).verify(signed_bytes(envelope.protected, envelope.payload), envelope.signature)
    except BadSignatureError as error:
        raise SignatureInvalid from error


def _byte_string(encoded: bytes, at: int) -> tuple[bytes, int]:
    major, _, size, at = decode_head(encoded, at)
    if major != 2:
        raise EnvelopeMalformed("Protected header, payload and signature must be CBOR byte strings.")
    if size > len(encoded) - at:
        raise EnvelopeMalformed("The envelope ends too early.")
    return encoded[at : at + size], at + size


def _envelope(header: Any, protected: bytes, payload: bytes, signature: bytes) -> Envelope:
    if not isinstance(header, dict) or set(header) != {ALG, CONTENT_TYPE, KID, CWT_CLAIMS, SEQUENCE}:
        raise EnvelopeMalformed('The protected header must have exactly the labels 1, 3, 4, 15 and "seq".')
    claims = header[CWT_CLAIMS]
    if not isinstance(claims, dict) or set(claims) != {ISSUER, ISSUED_AT}:
        raise EnvelopeMalformed("The CWT claims (15) must be exactly issuer (1) and issued at (6).")
    if type(header[ALG]) is not int or header[ALG] != EDDSA:
        raise EnvelopeMalformed("The algorithm (1) must be -8, EdDSA with Ed25519.")
    if header[CONTENT_TYPE] not in (SENML_JSON, SENML_CBOR):
        raise EnvelopeMalformed(f"The content type (3) must be {SENML_JSON} or {SENML_CBOR}.")
    if type(header[KID]) is not bytes or len(header[KID]) != KEY_ID_BYTES:
        raise EnvelopeMalformed("The key id (4) must be the first 16 bytes of the public key's SHA-256.")
    if type(claims[ISSUER]) is not str:
        raise EnvelopeMalformed("The issuer (claim 1) must be the device's did:key.")
    if type(claims[ISSUED_AT]) is not int or not 0 <= claims[ISSUED_AT] <= _MAX_UNIX_SECONDS:
        raise EnvelopeMalformed("Issued at (claim 6) must be whole unix seconds.")
    if type(header[SEQUENCE]) is not int or not 1 <= header[SEQUENCE] <= MAX_SEQUENCE:
        raise EnvelopeMalformed('The sequence ("seq") must be a whole number, 1 or more.')
    return Envelope(
        content_type=header[CONTENT_TYPE],
        key_id=header[KID],
        issuer=claims[ISSUER],
        issued_at=claims[ISSUED_AT],
        sequence=header[SEQUENCE],
        protected=protected,
        payload=payload,
        signature=signature,
    )
