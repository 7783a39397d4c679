"""What the token endpoint allows: clients with a secret, and nothing else. Part of the settings."""

from typing import Any

# Of what there is here only the storage matters; the rest says no to ways in that nobody may switch on by mistake.
_BEST_PRACTICE = (
    "IMPLICIT_GRANT",
    "PASSWORD_GRANT",
    "PKCE_METHOD",
    "ACCESS_TOKEN_TRANSPORT",
    "AUTHZ_RESPONSE_ISS",
    "REFRESH_TOKEN",
    "REDIRECT_URI_SCHEME",
    "REDIRECT_URI_MATCHING",
    "PKCE_REQUIRED",
)
OAUTH_CLIENTS: dict[str, Any] = {
    "OAUTH2_SERVER_CLASS": "oauthlib.oauth2.BackendApplicationServer",
    "OAUTH2_VALIDATOR_CLASS": "marketplace.access.oauth_validator.ClientValidator",
    "ACCESS_TOKEN_GENERATOR": "marketplace.access.oauth_tokens.short_token",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 1800,
    "SCOPES": {"read": "Load what was bought"},
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    **dict.fromkeys((f"COMPLIANT_BCP_RFC9700_{part}" for part in _BEST_PRACTICE), True),
    # Nothing that opens data is kept in a form that could be used again.
    "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE": True,
}
