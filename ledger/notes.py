"""Signed notes (C2SP signed-note), their keys, checkpoints (C2SP tlog-checkpoint), and how signatures and
cosignatures (C2SP tlog-cosignature) are checked. Pure.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from ledger.errors import KeyMalformed, LedgerError, NoteMalformed, NoteUnverified

ED25519 = 0x01
COSIGNATURE = 0x04
LATEST_SECONDS = 2**63 - 1
LARGEST_NOTE = 1_000_000
MOST_SIGNATURES = 100
_KEY_ID_SIZE = 4
_TIME_SIZE = 8
_ROOT_SIZE = 32
_KEY_NAME = re.compile(r"[^\s+]+")
_SIGNATURE_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


def key_id(name: str, type_byte: int, public_key: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([type_byte]) + public_key).digest()[:_KEY_ID_SIZE]


def _verify_ed25519(public_key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        VerifyKey(public_key).verify(message, signature)
    except (BadSignatureError, ValueError, TypeError):
        return False
    return True


def cosigned_message(at_seconds: int, text: bytes) -> bytes:
    """What a witness signs: the second at which it saw this checkpoint, then the checkpoint's whole text."""
    return f"cosignature/v1\ntime {at_seconds}\n".encode() + text


def split_cosignature(payload: bytes) -> tuple[int, bytes]:
    """Return the unix second and the Ed25519 signature. Raises NoteMalformed."""
    at_seconds = int.from_bytes(payload[:_TIME_SIZE], "big")
    if len(payload) != _TIME_SIZE + 64 or at_seconds > LATEST_SECONDS:
        raise NoteMalformed("A cosignature is a time below 2^63 seconds in 8 bytes, and a signature of 64 bytes.")
    return at_seconds, payload[_TIME_SIZE:]


def _verify_cosignature(public_key: bytes, message: bytes, payload: bytes) -> bool:
    try:
        at_seconds, signature = split_cosignature(payload)
    except NoteMalformed:
        return False
    return _verify_ed25519(public_key, cosigned_message(at_seconds, message), signature)


# The type byte decides how a signature is checked; a new type is one more line here.
_VERIFY: dict[int, Callable[[bytes, bytes, bytes], bool]] = {
    ED25519: _verify_ed25519,
    COSIGNATURE: _verify_cosignature,
}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with its name, as a vkey line carries it."""

    name: str
    type_byte: int
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, self.type_byte, self.public_key)

    def __str__(self) -> str:
        encoded = base64.b64encode(bytes([self.type_byte]) + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Raises KeyMalformed."""
        # The base64 may hold a plus sign itself.
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise KeyMalformed
        name, id_hex, encoded = parts
        decoded = decode_base64(encoded, KeyMalformed)
        check_key_name(name)
        if len(decoded) < 2:
            raise KeyMalformed
        key = cls(name, decoded[0], decoded[1:])
        if key.key_id.hex() != id_hex:
            raise KeyMalformed("The key id does not belong to this name and key.")
        if key.type_byte in _VERIFY and len(key.public_key) != 32:
            raise KeyMalformed("An Ed25519 key has 32 bytes.")
        return key

    def has_signed(self, text: str, payload: bytes) -> bool:
        verify = _VERIFY.get(self.type_byte)
        return verify is not None and verify(self.public_key, text.encode(), payload)


class NoteSigner:
    """An Ed25519 key that signs notes under its name."""

    def __init__(self, name: str, seed: bytes) -> None:
        check_key_name(name)
        self._key = SigningKey(seed)
        self.verifier_key = VerifierKey(name, ED25519, bytes(self._key.verify_key))

    def sign(self, text: str) -> str:
        """Return the whole note: the text, an empty line, and one signature line."""
        check_text(text)
        key = self.verifier_key
        signature = NoteSignature(key.name, key.key_id, self._key.sign(text.encode()).signature)
        return f"{text}\n{signature.line()}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """payload: what follows the key id."""

    name: str
    key_id: bytes
    payload: bytes

    def line(self) -> str:
        return f"\u2014 {self.name} {base64.b64encode(self.key_id + self.payload).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note; nothing in it is trusted before verify_note."""

    text: str
    signatures: tuple[NoteSignature, ...]


def parse_note(note: bytes | str) -> Note:
    """Raises NoteMalformed."""
    text = _decode(note)
    if len(text) > LARGEST_NOTE:
        raise NoteMalformed("The note is too long.")
    # The last empty line separates; a text may hold others.
    signed, separator, lines = text.rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteMalformed("A note is a text, an empty line, and signature lines, each ended by LF.")
    signed += "\n"
    check_text(signed, allow_empty_lines=True)
    signatures = tuple(_parse_signature(line) for line in lines[:-1].split("\n"))
    if len(signatures) > MOST_SIGNATURES:
        raise NoteMalformed(f"A note has at most {MOST_SIGNATURES} signatures.")
    return Note(signed, signatures)


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
    """Return the keys that signed. Unknown keys are ignored; a known one that fails rejects the note.

    Raises NoteUnverified when a known key's signature fails, or when no known key signed.
    """
    known = {(key.name, key.key_id): key for key in keys}
    signed_by = []
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        if not key.has_signed(note.text, signature.payload):
            raise NoteUnverified(f"The signature of {key.name} fails.")
        if key not in signed_by:
            signed_by.append(key)
    if not signed_by:
        raise NoteUnverified("No trusted key signed this note.")
    return signed_by


@dataclass(frozen=True, slots=True)
class TreeHead:
    """What a checkpoint says: this log, this many entries, this root."""

    origin: str
    size: int
    root_hash: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root_hash).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "TreeHead":
        """Extension lines of other logs are passed over. Raises NoteMalformed."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() or not all(lines):
            raise NoteMalformed("A checkpoint has three lines: origin, size, root.")
        origin, size, root = lines[:3]
        if not _SIZE.fullmatch(size):
            raise NoteMalformed("The size of a checkpoint is a decimal number without leading zeros.")
        root_hash = decode_base64(root, NoteMalformed)
        if len(root_hash) != _ROOT_SIZE:
            raise NoteMalformed("The root of a checkpoint has 32 bytes.")
        return cls(origin, int(size), root_hash)


def check_key_name(name: str) -> None:
    if not _KEY_NAME.fullmatch(name) or not name.isprintable():
        raise KeyMalformed("A key name has neither a space nor a plus sign.")


def check_text(text: str, *, allow_empty_lines: bool = False) -> None:
    if not text.endswith("\n") or text == "\n" or _CONTROL.search(text):
        raise NoteMalformed("The text of a note ends in LF and holds no other control character.")
    if not allow_empty_lines and ("\n\n" in text or text.startswith("\n")):
        raise NoteMalformed("The text of our notes holds no empty line.")


def _decode(note: bytes | str) -> str:
    if isinstance(note, str):
        return note
    try:
        return note.decode()
    except UnicodeDecodeError as error:
        raise NoteMalformed("A note is UTF-8.") from error


def _parse_signature(line: str) -> NoteSignature:
    match = _SIGNATURE_LINE.fullmatch(line)
    if match is None:
        raise NoteMalformed("A signature line is an em dash, a key name and base64.")
    payload = decode_base64(match[2], NoteMalformed)
    if len(payload) <= _KEY_ID_SIZE:
        raise NoteMalformed("A signature line holds a key id and a signature.")
    return NoteSignature(match[1], payload[:_KEY_ID_SIZE], payload[_KEY_ID_SIZE:])


def decode_base64(text: str, refusal: type[LedgerError]) -> bytes:
    """Decode padded standard base64, of which every value has exactly one spelling."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise refusal("The base64 is malformed.") from error
    if base64.b64encode(decoded).decode() != text:
        raise refusal("The base64 is not in its standard spelling.")
    return decoded
