"""What others may do with tokens: make, replace and end them, and ask what they open."""

from marketplace.access.clients import ClientSecret, issue_client
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
from marketplace.access.issuing import MOST_TOKENS, end_tokens, issue_token, revoke_token, rotate_token
from marketplace.access.narrowing import WIDE, Narrowing, read_networks
from marketplace.access.oauth_tokens import end_short_token, forget_short_tokens
from marketplace.access.succession import TOKEN_PREFIX

__all__ = [
    "MOST_TOKENS",
    "TOKEN_PREFIX",
    "WIDE",
    "ClientSecret",
    "Grant",
    "Narrowing",
    "access_ends_at",
    "authorise",
    "authorise_all",
    "authorise_token_id",
    "end_short_token",
    "end_tokens",
    "find_token",
    "forget_short_tokens",
    "inspect_token",
    "issue_client",
    "issue_token",
    "meter_read",
    "obstacle_to",
    "read_networks",
    "revoke_token",
    "rotate_token",
    "token_hash",
]
