"""What others may do with tokens: make, replace and end them, and ask what they open."""

from marketplace.access.authorising import MOST_DELEGATED, authorise, revoke_text
from marketplace.access.clients import ClientSecret, has_secret, issue_client
from marketplace.access.delegation import DELEGATED_PREFIX, LONGEST_DELEGATED, delegation_key
from marketplace.access.granting import (
    Grant,
    access_ends_at,
    authorise_all,
    authorise_token_id,
    find_token,
    inspect_token,
    meter_read,
    obstacle_to,
    token_hash,
)
from marketplace.access.issuing import MOST_TOKENS, delegable_token, end_tokens, issue_token, revoke_token, rotate_token
from marketplace.access.narrowing import MOST_REQUESTS_A_MINUTE, MOST_ROWS, WIDE, Narrowing, read_networks
from marketplace.access.oauth_tokens import forget_short_tokens
from marketplace.access.succession import TOKEN_PREFIX

__all__ = [
    "DELEGATED_PREFIX",
    "LONGEST_DELEGATED",
    "MOST_DELEGATED",
    "MOST_REQUESTS_A_MINUTE",
    "MOST_ROWS",
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
    "delegable_token",
    "delegation_key",
    "end_tokens",
    "find_token",
    "forget_short_tokens",
    "has_secret",
    "inspect_token",
    "issue_client",
    "issue_token",
    "meter_read",
    "obstacle_to",
    "read_networks",
    "revoke_text",
    "revoke_token",
    "rotate_token",
    "token_hash",
]
