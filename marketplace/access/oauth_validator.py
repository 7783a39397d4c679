"""Which OAuth clients get a token, asked by django-oauth-toolkit."""

import logging
from typing import Any

from django.utils import timezone
from django.utils.crypto import constant_time_compare
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.common import Request
from oauthlib.oauth2 import UnauthorizedClientError

from marketplace.access.clients import secret_hash
from marketplace.access.errors import AccessError
from marketplace.access.granting import check_client
from marketplace.access.models import AccessToken
from marketplace.access.rates import count_in_minute

logger = logging.getLogger(__name__)

TOKENS_A_MINUTE = 120


class ClientValidator(OAuth2Validator):
    def _check_secret(self, provided_secret: str, stored_secret: str) -> bool:
        """A secret of 256 random bits needs no slow hash, which would only let strangers keep us busy."""
        return constant_time_compare(secret_hash(provided_secret), stored_secret)

    def validate_grant_type(
        self, client_id: str, grant_type: str, client: Any, request: Request, *args: Any, **kwargs: Any
    ) -> bool:
        if not super().validate_grant_type(client_id, grant_type, client, request, *args, **kwargs):
            return False
        at = timezone.now()
        token = AccessToken.objects.filter(application=client).first()
        if token is None:
            return False
        count_in_minute(f"client-tokens:{token.pk}", TOKENS_A_MINUTE, at)
        try:
            check_client(token, at)
        except AccessError as error:
            logger.info("client.refused", extra={"code": error.code, "token_id": token.public_id})
            raise UnauthorizedClientError(description=str(error), request=request) from error
        return True
