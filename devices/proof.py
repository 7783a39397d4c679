"""What a device signs to prove that it holds its key, and how a claim code is written. Pure."""

from hashlib import sha256

# Crockford's base 32: no I, L, O, U, so nothing is read for something else.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CODE_LENGTH = 8
_DOMAIN = b"ownstream device enrolment v1\n"
_LOOKALIKES = str.maketrans({"O": "0", "I": "1", "L": "1"})


def normal_code(code: str) -> str:
    """Return a claim code without spaces and dashes, in capitals, with look-alike letters read as digits."""
    return "".join(code.upper().split()).replace("-", "").translate(_LOOKALIKES)


def proof_message(nonce: bytes, code: str, public_key: bytes) -> bytes:
    """Return the bytes to sign. They name the code and the key, so that a proof fits no other enrolment."""
    return _DOMAIN + nonce + sha256(normal_code(code).encode()).digest() + public_key
