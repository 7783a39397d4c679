"""What every person in a journey does: open a browser of his own, sign up, log in, fill in a form."""

from __future__ import annotations

import re
from collections.abc import Callable

from allauth.account.models import EmailAddress
from django.core.mail import EmailMessage
from playwright.sync_api import BrowserContext, Locator, Page
from pytest_django.live_server_helper import LiveServer

from tests.conftest import PASSWORD

NewContext = Callable[..., BrowserContext]


def open_browser(new_context: NewContext, server: LiveServer, **options: object) -> Page:
    context = new_context(base_url=server.url, **options)
    context.set_default_timeout(20_000)
    return context.new_page()


def fill_in(page: Page, values: dict[str, str]) -> Locator:
    """Fill in the page's own form, by the names of its fields, and return it."""
    form = page.locator("form").filter(has=page.locator(f'[name="{next(iter(values))}"]')).first
    for name, value in values.items():
        field = form.locator(f'[name="{name}"]').first
        if field.evaluate("element => element.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    return form


def send_form(form: Locator) -> None:
    form.locator('button[type="submit"]').first.click()


def sign_up(page: Page, email: str, outbox: list[EmailMessage]) -> None:
    """Sign up and prove the address with the code in the mail."""
    page.goto("/accounts/signup/")
    send_form(fill_in(page, {"email": email, "password1": PASSWORD}))
    page.wait_for_url("**/confirm-email/")
    [mail] = [mail for mail in outbox if mail.to == [email]]
    code = re.search(r"^[A-Z]{4}-[A-Z]{4}$", str(mail.body), re.MULTILINE)
    assert code, mail.body
    send_form(fill_in(page, {"code": code[0]}))
    page.wait_for_url("**/home/")
    assert EmailAddress.objects.get(email=email).verified


def log_in(page: Page, email: str, address: str = "/accounts/login/") -> None:
    page.goto(address)
    send_form(fill_in(page, {"login": email, "password": PASSWORD}))


def confirm_identity(page: Page) -> None:
    """Give the password once more: what changes how one logs in asks for it."""
    page.goto("/accounts/reauthenticate/")
    send_form(fill_in(page, {"password": PASSWORD}))
    page.wait_for_url(lambda url: "reauthenticate" not in url)


def figure(page: Page, label: str) -> Locator:
    """The value of a figure on the page, by its label."""
    return page.locator(".figure").filter(has_text=label).locator(".figure-value")


def plug_in_authenticator(page: Page) -> None:
    """Give the browser a security key of its own, which says yes to everything."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})


def add_passkey(page: Page, name: str) -> None:
    page.goto("/accounts/2fa/webauthn/add/")
    form = fill_in(page, {"name": name})
    form.locator('[name="passwordless"]').check()
    page.get_by_role("button", name="Add the passkey").click()
    page.wait_for_url(lambda url: not url.endswith("/webauthn/add/"))
