"""Log in without a password, with a passkey that the browser keeps."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from tests.journey.people import NewContext, add_passkey, confirm_identity, log_in, open_browser, plug_in_authenticator

pytestmark = pytest.mark.django_db(transaction=True)


def test_adds_a_passkey_and_logs_in_with_it_alone(live_server: LiveServer, ben: User, new_context: NewContext) -> None:
    page = open_browser(new_context, live_server)
    plug_in_authenticator(page)
    log_in(page, ben.email)
    page.wait_for_url("**/home/")
    confirm_identity(page)
    add_passkey(page, "Laptop")
    page.context.clear_cookies()

    page.goto("/accounts/login/?next=/wallet/")
    page.get_by_role("button", name="passkey").click()

    page.wait_for_url("**/wallet/")
    expect(page.get_by_role("heading", name="Wallet", level=1)).to_be_visible()
