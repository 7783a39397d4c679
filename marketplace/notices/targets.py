"""Where webhooks may go: to hosts of the public internet, by https. Pure.

Without this anybody could have our own network asked: the database's host, a cloud's metadata address, a router.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

LONGEST_URL = 500
# Of a host's name between two dots, RFC 1035.
LONGEST_LABEL = 63
# What Python takes for public and is not: clouds keep metadata in the first, and the others lead to who is nearest.
_NEAR = [ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10")]
# IPv6 addresses that only carry an IPv4 one, which may be any.
_CARRIERS = [ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")]


class TargetRefused(ValueError):
    """str(error) says why, to a person."""


def parse_target(url: str, *, is_local_allowed: bool) -> SplitResult:
    """Split the address of a webhook. is_local_allowed: http and private addresses may be named, too.

    Raises: TargetRefused.
    """
    if len(url) > LONGEST_URL or re.fullmatch(r"[\x21-\x7e]+", url) is None:
        raise TargetRefused(f"Give an address of at most {LONGEST_URL} plain characters, without spaces.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise TargetRefused("This is no address that can be reached.") from error
    if parts.scheme != "https" and not (is_local_allowed and parts.scheme == "http"):
        raise TargetRefused("The address must begin with https://.")
    if not host or port == 0 or parts.fragment or parts.username is not None or parts.password is not None:
        raise TargetRefused("Give a host and a path, without a name, a password or a # in it.")
    if not _is_ip(host) and not all(0 < len(label) <= LONGEST_LABEL for label in host.removesuffix(".").split(".")):
        raise TargetRefused("This is no address that can be reached.")
    if not is_local_allowed:
        _check_host(host)
    return parts


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody in the internet could reach, and nothing of ours alone."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return is_public(str(found.ipv4_mapped))
        if any(found in carrier for carrier in _CARRIERS):
            return False
    if any(found in near for near in _NEAR if near.version == found.version):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)


def _check_host(host: str) -> None:
    """What can be refused before the name is looked up; the look-up at delivery refuses the rest."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        raise TargetRefused("The address must be one of the public internet.")
    if _is_ip(host) and not is_public(host):
        raise TargetRefused("The address must be one of the public internet.")


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
