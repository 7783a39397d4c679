"""Log in to the API with a person's key: `Authorization: Bearer own_key_...`."""

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from marketplace.accounts.models import ApiKey, User
from marketplace.accounts.services import find_api_key


class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        words = get_authorization_header(request).split()
        if not words or words[0].lower() != b"bearer":
            return None
        if len(words) != 2:
            raise AuthenticationFailed("Send one key: Authorization: Bearer <key>.", code="api_key_malformed")
        key = words[1].decode("ascii", errors="replace")
        api_key = find_api_key(key, timezone.now())
        if api_key is None:
            raise AuthenticationFailed("This API key does not exist or was revoked.", code="api_key_unknown")
        return api_key.user, api_key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # The library is untyped there.
    """Tells the OpenAPI schema how a key is sent."""

    target_class = "marketplace.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A key of yours, made under API keys."}
