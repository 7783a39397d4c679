"""The authenticator app, recovery codes and the list of passkeys, through the pages."""

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache

from tests.conftest import PASSWORD
from tests.web.test_accounts import LOGIN, assert_plain, is_logged_in

pytestmark = pytest.mark.django_db
INDEX, ACTIVATE, DEACTIVATE = "/accounts/2fa/", "/accounts/2fa/totp/activate/", "/accounts/2fa/totp/deactivate/"
CODES, ADD = "/accounts/2fa/recovery-codes/", "/accounts/2fa/webauthn/add/"


@pytest.fixture(autouse=True)
def no_rate_limit_left_over():
    cache.clear()


@pytest.fixture
def as_ben(client, ben):
    client.post(LOGIN, {"login": ben.email, "password": PASSWORD})
    return client


def code_of(secret):
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))
