"""Cosignatures of witnesses (C2SP tlog-cosignature, v1 with Ed25519). Pure."""

from nacl.signing import SigningKey

from ledger.notes import (
    COSIGNATURE,
    NoteSignature,
    VerifierKey,
    check_key_name,
    check_text,
    cosigned_message,
    split_cosignature,
)

__all__ = ["COSIGNATURE", "CosignatureSigner", "cosigned_at"]


class CosignatureSigner:
    """A witness's Ed25519 key under its name."""

    def __init__(self, name: str, seed: bytes) -> None:
        check_key_name(name)
        self._key = SigningKey(seed)
        self.verifier_key = VerifierKey(name, COSIGNATURE, bytes(self._key.verify_key))

    def cosign(self, text: str, at_seconds: int) -> str:
        """Return one signature line with its LF. text: a checkpoint without its signatures."""
        check_text(text)
        key = self.verifier_key
        signature = self._key.sign(cosigned_message(at_seconds, text.encode())).signature
        return NoteSignature(key.name, key.key_id, at_seconds.to_bytes(8, "big") + signature).line()


def cosigned_at(signature: NoteSignature) -> int:
    """Return the unix second that a cosignature names. Raises NoteMalformed."""
    return split_cosignature(signature.payload)[0]
