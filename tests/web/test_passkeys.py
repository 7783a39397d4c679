"""Passkeys in a real browser, with the authenticator that Chromium offers to tests."""

import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from playwright.sync_api import CDPSession, Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD, make_person
from tests.journey.looks import Complaints
from tests.journey.people import NewContext

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]
ADD, LOGIN = "/accounts/2fa/webauthn/add/", "/accounts/login/"


@pytest.fixture
def page(live_server: LiveServer, new_context: NewContext) -> Page:
    cache.clear()
    # A passkey belongs to a domain name: an IP address has none.
    return new_context(base_url=live_server.url.replace("127.0.0.1", "localhost")).new_page()


@pytest.fixture
def authenticator(page: Page) -> CDPSession:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def log_in(page: Page) -> None:
    page.goto(LOGIN)
    page.fill("[name=login]", "ben@example.test")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()


def add_passkey(page: Page, *, is_alone: bool) -> None:
    page.goto(ADD)
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    page.fill("[name=name]", "Laptop")
    page.locator("[name=passwordless]").set_checked(is_alone)
    page.get_by_role("button", name="Add the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Recovery codes")


def log_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.locator("main").get_by_role("button", name="Log out").click()
    page.wait_for_url(lambda url: "logout" not in url)


def test_a_passkey_is_added_and_logs_in_alone(page: Page, authenticator: CDPSession) -> None:
    complaints = Complaints(page)
    make_person("ben")
    log_in(page)
    add_passkey(page, is_alone=True)
    assert Authenticator.objects.get(type=Authenticator.Type.WEBAUTHN).wrap().name == "Laptop"
    log_out(page)
    page.goto(f"{LOGIN}?next=/wallet/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/wallet/")
    assert complaints.take() == []


def test_a_passkey_is_the_second_factor_and_confirms_important_acts(page: Page, authenticator: CDPSession) -> None:
    make_person("ben")
    log_in(page)
    add_passkey(page, is_alone=False)
    log_out(page)
    log_in(page)
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url("**/home/")
    page.goto("/accounts/2fa/webauthn/reauthenticate/?next=/accounts/2fa/recovery-codes/generate/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Make new recovery codes")


def test_without_any_passkey_the_page_says_so_and_stays(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto(LOGIN)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_have_text("No passkey was used. Try again, or take another way.")
    page.goto("/home/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in")


def test_without_a_script_the_page_says_what_it_needs(live_server: LiveServer, new_context: NewContext) -> None:
    page = new_context(base_url=live_server.url, java_script_enabled=False).new_page()
    page.goto(LOGIN)
    expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
