"""did:key for Ed25519 public keys, and the short id that an envelope names a key by. Pure.

Source: the did:key method (W3C CCG), multicodec 0xed01, multibase base58btc.
"""

from hashlib import sha256

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519_CODEC = b"\xed\x01"
_PREFIX = "did:key:z"
KEY_ID_BYTES = 16


def key_id(public_key: bytes) -> bytes:
    return sha256(public_key).digest()[:KEY_ID_BYTES]


def did_key(public_key: bytes) -> str:
    """Return the did:key of a 32-byte Ed25519 public key."""
    # The codec's first byte is never zero, so base58's rule for leading zeros does not arise.
    number = int.from_bytes(_ED25519_CODEC + public_key, "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append(_ALPHABET[digit])
    return _PREFIX + "".join(reversed(digits))
