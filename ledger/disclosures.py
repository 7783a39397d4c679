"""What an entry says, read without believing it, and whose handle stands in it. Pure.

A disclosure is a JSON file that an owner hands out, with the key that only the owner and the market know:

    {"subject_kind": "person", "subject_id": "<UUID>", "key": "<64 hexadecimal digits>"}
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn
from uuid import UUID

from ledger.errors import DisclosureInvalid, EntryNotCanonical, EntryTooLarge

LARGEST_ENTRY = 8192
LARGEST_DISCLOSURE = 2000
LARGEST_INTEGER = 2**53 - 1
DEEPEST = 32
_KEY = re.compile(r"[0-9a-f]{64}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")


def read_entry(encoded: bytes) -> dict[str, Any]:
    """Return what an entry's bytes say. Raises EntryTooLarge, EntryNotCanonical.

    The same rules as in ledger.canonical, with the standard library only, for those who verify without our packages.
    """
    if len(encoded) > LARGEST_ENTRY:
        raise EntryTooLarge
    content = parse_object(encoded)
    try:
        canonical = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeError as error:
        raise EntryNotCanonical("The entry holds half a character.") from error
    if canonical != encoded:
        raise EntryNotCanonical("The bytes are not the canonical encoding (RFC 8785) of what they say.")
    return content


def parse_object(encoded: bytes) -> dict[str, Any]:
    """Return a JSON object without floats, large integers and repeated names. Raises EntryNotCanonical."""
    try:
        value = json.loads(
            encoded.decode(),
            object_pairs_hook=_object,
            parse_float=_refuse,
            parse_constant=_refuse,
            parse_int=_integer,
        )
    except (ValueError, RecursionError) as error:
        raise EntryNotCanonical("This is not JSON.") from error
    if not isinstance(value, dict):
        raise EntryNotCanonical("This is no JSON object.")
    _check(value, 1)
    return value


@dataclass(frozen=True, slots=True)
class Disclosure:
    subject_kind: str
    subject_id: UUID
    key: bytes

    @classmethod
    def parse(cls, encoded: bytes) -> "Disclosure":
        """Raises DisclosureInvalid."""
        if len(encoded) > LARGEST_DISCLOSURE:
            raise DisclosureInvalid("The disclosure is too long.")
        try:
            content = parse_object(encoded)
        except EntryNotCanonical as error:
            raise DisclosureInvalid("The disclosure is not a JSON object.") from error
        if set(content) != {"subject_kind", "subject_id", "key"}:
            raise DisclosureInvalid("A disclosure has exactly subject_kind, subject_id and key.")
        if not all(isinstance(value, str) for value in content.values()):
            raise DisclosureInvalid("The values of a disclosure are text.")
        kind, subject_id, key = (content[name] for name in ("subject_kind", "subject_id", "key"))
        if not _KIND.fullmatch(kind) or not _KEY.fullmatch(key):
            raise DisclosureInvalid("A disclosure names a kind, and a key of 64 lower-case hexadecimal digits.")
        return cls(kind, _parse_id(subject_id), bytes.fromhex(key))

    def text(self) -> str:
        """The file that parse reads."""
        content = {"subject_kind": self.subject_kind, "subject_id": str(self.subject_id), "key": self.key.hex()}
        return json.dumps(content, indent=2) + "\n"

    @property
    def handle(self) -> str:
        """How the subject appears in the log: HMAC-SHA-256 under its own key, in hexadecimal digits."""
        return hmac.new(self.key, f"{self.subject_kind}:{self.subject_id}".encode(), hashlib.sha256).hexdigest()

    def find_in(self, content: dict[str, Any]) -> str:
        """Return where in an entry the subject stands, such as devices[0]. Raises DisclosureInvalid."""
        for place, value in _places(content):
            if value == self.handle:
                return place
        raise DisclosureInvalid


def _parse_id(text: str) -> UUID:
    try:
        subject_id = UUID(text)
    except ValueError as error:
        raise DisclosureInvalid("The subject_id of a disclosure is a UUID.") from error
    if str(subject_id) != text:
        raise DisclosureInvalid("The subject_id of a disclosure is a UUID in lower case with hyphens.")
    return subject_id


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise EntryNotCanonical("The same name stands twice in one object, so it could be read in two ways.")
    return content


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > LARGEST_INTEGER:
        raise EntryNotCanonical("Whole numbers beyond 2^53-1 are written as text.")
    return int(text)


def _refuse(text: str) -> NoReturn:
    raise EntryNotCanonical("Whole numbers and text only: fractions are not exact.")


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise EntryNotCanonical(f"This is nested more than {DEEPEST} levels deep.")
    if isinstance(value, dict) and not all(key.isascii() for key in value):
        raise EntryNotCanonical("The names in a log entry are ASCII text.")
    for child in _children(value):
        _check(child, depth + 1)


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _places(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _places(child, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, child in enumerate(value):
            yield from _places(child, f"{place}[{number}]")
    else:
        yield place, value
