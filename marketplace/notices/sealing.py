"""Keep secrets so that a copy of the database alone does not give them away."""

from hashlib import blake2b

from django.conf import settings
from django.utils.encoding import force_bytes
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox


def seal(secret: bytes) -> bytes:
    return bytes(_box(settings.SECRET_KEY).encrypt(secret))


def unseal(sealed: bytes | memoryview) -> bytes | None:
    """None when it was sealed under a SECRET_KEY that is neither the present one nor among SECRET_KEY_FALLBACKS."""
    for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return bytes(_box(key).decrypt(bytes(sealed)))
        except CryptoError:
            continue
    return None


def _box(key: str | bytes) -> SecretBox:
    return SecretBox(blake2b(force_bytes(key), digest_size=32, person=b"webhook-secret").digest())
