from collections.abc import Callable
from datetime import datetime

import pytest
from rest_framework.test import APIClient

from marketplace.accounts.models import User
from marketplace.accounts.services import create_api_key


@pytest.fixture
def api_as(now: datetime) -> Callable[[User], APIClient]:
    """An API client that sends a person's own key."""

    def log_in(user: User) -> APIClient:
        _, key = create_api_key(user=user, name="test", at=now)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
        return client

    return log_in
