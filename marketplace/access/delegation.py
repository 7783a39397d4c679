"""Tokens that a buyer narrows and passes on without asking us: Biscuits (https://www.biscuitsec.org), Ed25519.

The market signs a first block that names one of the buyer's tokens. Whoever holds the Biscuit may add blocks of checks,
and none of them can be taken off again. Only the checks below are understood, and no Datalog is ever run: a block with
anything else in it is refused as a whole, so that nobody can widen, or keep us busy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from biscuit_auth import (
    Biscuit,
    BiscuitBuilder,
    BiscuitSerializationError,
    BiscuitValidationError,
    KeyPair,
    PrivateKey,
    PublicKey,
)
from django.conf import settings
from django.utils.crypto import salted_hmac

from marketplace.access.errors import NarrowingInvalid, TokenMalformed, TokenUnknown
from marketplace.access.narrowing import Narrowing, read_networks

DELEGATED_PREFIX = "osb_"
LONGEST_DELEGATED = 4096
MOST_BLOCKS = 4
MOST_CHECKS = 16
_SALT = "marketplace.access.delegation"
_FIRST_BLOCK = re.compile(r'token\("([0-9a-f-]{36})"\);\n')

_MOMENT = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
_TEXTS = r'[\[{]((?:"[^"\n]*")(?:, "[^"\n]*")*)[\]}]'


@dataclass(frozen=True)
class Block:
    """What one holder added. mark: names the block, and all that comes before it, for good."""

    mark: bytes
    narrowing: Narrowing


@dataclass(frozen=True)
class Delegation:
    token_id: UUID
    blocks: list[Block]


def delegable_text(token_id: UUID) -> str:
    """Return the Biscuit of a token, which its holder narrows before he passes it on."""
    biscuit = BiscuitBuilder("token({id})", {"id": str(token_id)}).build(_private_keys()[0])
    return DELEGATED_PREFIX + str(biscuit.to_base64())


def delegation_key() -> str:
    """The key that Biscuits are signed with, as programs read it."""
    return str(_public_key(_private_keys()[0]))


def read_delegation(text: str) -> Delegation:
    """Raises: TokenUnknown for what is not signed by us, TokenMalformed for what we do not understand."""
    biscuit = _verified(text.removeprefix(DELEGATED_PREFIX))
    count = biscuit.block_count()
    first = _FIRST_BLOCK.fullmatch(biscuit.block_source(0))
    if first is None or count > 1 + MOST_BLOCKS:
        raise TokenMalformed
    if count == 1:
        raise TokenMalformed("Narrow this token before you use it or pass it on: add a block of checks.")
    if any(biscuit.block_external_key(number) is not None for number in range(count)):
        raise TokenMalformed
    marks = [bytes.fromhex(mark) for mark in biscuit.revocation_ids]
    blocks = [Block(marks[number], read_checks(biscuit.block_source(number))) for number in range(1, count)]
    return Delegation(UUID(first[1]), blocks)


def read_checks(source: str) -> Narrowing:
    """Return what the checks of a block leave. Raises: TokenMalformed."""
    checks = source.removesuffix(";\n").split(";\n")
    if len(checks) > MOST_CHECKS:
        raise TokenMalformed
    narrowing = Narrowing()
    for check in checks:
        try:
            narrowing = _narrowed(narrowing, check)
        except (ValueError, NarrowingInvalid) as error:
            raise TokenMalformed from error
    return narrowing


def _narrowed(narrowing: Narrowing, check: str) -> Narrowing:
    for pattern, narrow in _CHECKS:
        match = pattern.fullmatch(check)
        if match is not None:
            return narrow(narrowing, match)
    raise TokenMalformed


def _by_time(narrowing: Narrowing, match: re.Match[str]) -> Narrowing:
    return replace(narrowing, expires_at=_least(narrowing.expires_at, _moment(match[2])))


def _by_reading(narrowing: Narrowing, match: re.Match[str]) -> Narrowing:
    starts = [moment for moment in (narrowing.window_from, match[2] and _moment(match[2])) if moment]
    until = _least(narrowing.window_until, _moment(match[3])) if match[3] else narrowing.window_until
    return replace(narrowing, window_from=max(starts, default=None), window_until=until)


def _by_field(narrowing: Narrowing, match: re.Match[str]) -> Narrowing:
    fields = _texts(match[2])
    if narrowing.fields is not None:
        fields = [field for field in fields if field in narrowing.fields]
    return replace(narrowing, fields=tuple(fields))


def _by_rows(narrowing: Narrowing, match: re.Match[str]) -> Narrowing:
    return replace(narrowing, row_cap=_least(narrowing.row_cap, int(match[2])))


def _by_requests(narrowing: Narrowing, match: re.Match[str]) -> Narrowing:
    return replace(narrowing, rate_per_minute=_least(narrowing.rate_per_minute, int(match[2])))


def _by_network(narrowing: Narrowing, match: re.Match[str]) -> Narrowing:
    if narrowing.networks:
        raise TokenMalformed("A block names its networks in one check.")
    return replace(narrowing, networks=read_networks(_texts(match[2])))


# As the library writes them down. Each begins with a fact of the request, and says which values of it may pass.
_CHECKS: list[tuple[re.Pattern[str], Callable[[Narrowing, re.Match[str]], Narrowing]]] = [
    (re.compile(rf"check if time\(\$(\w+)\), \$\1 <=? {_MOMENT}"), _by_time),
    (
        re.compile(rf"check if reading\(\$(\w+)\)(?=, )(?:, \$\1 >= {_MOMENT})?(?:, \$\1 < {_MOMENT})?"),
        _by_reading,
    ),
    (re.compile(rf"check if field\(\$(\w+)\), {_TEXTS}\.contains\(\$\1\)"), _by_field),
    (re.compile(r"check if rows\(\$(\w+)\), \$\1 <= (\d{1,12})"), _by_rows),
    (re.compile(r"check if requests\(\$(\w+)\), \$\1 <= (\d{1,6})"), _by_requests),
    (re.compile(rf"check if network\(\$(\w+)\), {_TEXTS}\.contains\(\$\1\)"), _by_network),
]


def _verified(text: str) -> Biscuit:
    if len(text) > LONGEST_DELEGATED:
        raise TokenUnknown
    for key in _private_keys():
        try:
            return Biscuit.from_base64(text, _public_key(key))
        except (BiscuitValidationError, BiscuitSerializationError, ValueError):
            continue
    raise TokenUnknown


def _private_keys() -> list[PrivateKey]:
    """The first signs; those of former secrets still verify."""
    secrets = [str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    seeds = [salted_hmac(_SALT, "root", secret=secret, algorithm="sha256").digest() for secret in secrets]
    return [PrivateKey(f"ed25519-private/{seed.hex()}") for seed in seeds]


def _public_key(key: PrivateKey) -> PublicKey:
    return KeyPair.from_private_key(key).public_key


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _texts(listed: str) -> list[str]:
    return re.findall(r'"([^"\n]*)"', listed)


def _least(one: Any, other: Any) -> Any:
    return other if one is None else min(one, other)
