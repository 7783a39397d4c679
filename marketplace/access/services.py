"""What others may do with tokens: make, replace and end them, and ask what they open."""

from marketplace.access.granting import (
    Grant,
    access_ends_at,
    authorise,
    authorise_all,
    authorise_token_id,
    find_token,
    inspect_token,
    meter_read,
    obstacle_to,
    token_hash,
)
from marketplace.access.issuing import MOST_TOKENS, WIDE, end_tokens, issue_token, revoke_token, rotate_token
from marketplace.access.narrowing import Narrowing, read_networks
from marketplace.access.succession import TOKEN_PREFIX

__all__ = [
    "MOST_TOKENS",
    "TOKEN_PREFIX",
    "WIDE",
    "Grant",
    "Narrowing",
    "access_ends_at",
    "authorise",
    "authorise_all",
    "authorise_token_id",
    "end_tokens",
    "find_token",
    "inspect_token",
    "issue_token",
    "meter_read",
    "obstacle_to",
    "read_networks",
    "revoke_token",
    "rotate_token",
    "token_hash",
]
