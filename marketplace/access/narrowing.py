"""What narrows a token within its purchase, and addresses against networks. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from marketplace.access.errors import NarrowingInvalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MOST_NETWORKS = 20
MOST_REQUESTS_A_MINUTE = 100_000
MOST_ROWS = 10**12
_LONGEST_NETWORK = 64
_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """None and () mean: as wide as the purchase. fields are the devices' own names; window_until is exclusive.

    networks: in CIDR form, as read_networks returns them; a request must come from one of them.
    """

    fields: tuple[str, ...] | None = None
    window_from: datetime | None = None
    window_until: datetime | None = None
    expires_at: datetime | None = None
    rate_per_minute: int | None = None
    row_cap: int | None = None
    networks: tuple[str, ...] = ()


WIDE = Narrowing()


def check_narrowing(narrowing: Narrowing, at: datetime) -> None:
    """Refuse what makes no sense by itself, whatever was bought. Raises: NarrowingInvalid."""
    if narrowing.fields is not None and not narrowing.fields:
        raise NarrowingInvalid("Choose at least one field.", field="fields")
    if narrowing.window_from and narrowing.window_until and narrowing.window_from >= narrowing.window_until:
        raise NarrowingInvalid("The window must end after it begins.", field="window_until")
    if narrowing.expires_at is not None and narrowing.expires_at <= at:
        raise NarrowingInvalid("The token would have expired already.", field="expires_at")
    _check_number(narrowing.rate_per_minute, MOST_REQUESTS_A_MINUTE, "requests a minute", "rate_per_minute")
    _check_number(narrowing.row_cap, MOST_ROWS, "rows", "row_cap")


def read_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Return networks in one form each, without repeats. Raises: NarrowingInvalid."""
    found: dict[str, None] = {}
    for text in texts:
        found[str(_read_network(text))] = None
        if len(found) > MOST_NETWORKS:
            raise NarrowingInvalid(f"A token takes at most {MOST_NETWORKS} networks.", field="networks")
    return tuple(found)


def read_address(text: str | None) -> Address | None:
    """Return the address that a request came from, None for what is none. IPv4 written as IPv6 is taken as IPv4."""
    try:
        address = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_within(address: str | None, networks: Sequence[str]) -> bool:
    """Whether an address lies in one of the networks; what is no address lies in none."""
    parsed = read_address(address)
    return parsed is not None and any(parsed in ipaddress.ip_network(network) for network in networks)


def _read_network(text: str) -> Network:
    """10.1.2.3/8 is taken as 10.0.0.0/8, and an address alone as the network of it."""
    try:
        network = ipaddress.ip_network(text.strip()[:_LONGEST_NETWORK], strict=False)
    except ValueError as error:
        shown = text.strip()[:_LONGEST_NETWORK]
        raise NarrowingInvalid(
            f"{shown!r} is no network. Write one such as 192.0.2.0/24 or 2001:db8::/32.", field="networks"
        ) from error
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = network.network_address.ipv4_mapped
        return ipaddress.ip_network(f"{mapped}/{network.prefixlen - 96}")
    return network


def _check_number(number: int | None, most: int, what: str, field: str) -> None:
    if number is not None and not 1 <= number <= most:
        raise NarrowingInvalid(f"Enter between 1 and {most:,} {what}.", field=field)
