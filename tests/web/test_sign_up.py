"""Signing up: nobody is in before the address is proven, and nobody learns who has an account."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.cache import cache
from django.test import Client

from tests.conftest import PASSWORD
from tests.web.test_accounts import (
    CONFIRM,
    HOME,
    LOGIN,
    NEW_PASSWORD,
    RESET,
    assert_plain,
    code_in,
    is_logged_in,
    link_in,
)

pytestmark = pytest.mark.django_db
SIGNUP, KEYS, ADD_KEY = "/accounts/signup/", "/account/api-keys/", "/account/api-keys/add/"
ADDRESS, NAME = "new@example.test", "Field House"


@pytest.fixture(autouse=True)
def no_rate_limit_left_over():
    cache.clear()


@pytest.fixture
def attacker(db):
    """A browser that signed up with an address of somebody else."""
    client = Client()
    sign_up(client, display_name=NAME)
    cache.clear()
    return client


def sign_up(client, **fields):
    return client.post(SIGNUP, {"email": "New@Example.test", "password1": PASSWORD} | fields)


def confirm(client):
    return client.post(CONFIRM, {"code": code_in(mail.outbox[-1])})


def log_in(client, password):
    return client.post(LOGIN, {"login": ADDRESS, "password": password})


def reset_password(client):
    client.post(RESET, {"email": ADDRESS})
    form = client.get(link_in(mail.outbox[-1]), follow=True).redirect_chain[-1][0]
    return client.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})


def is_proven():
    return EmailAddress.objects.get(email=ADDRESS).verified


def test_signing_up_saves_what_was_said_and_asks_for_the_code_of_the_letter(client):
    details = {"display_name": "  Field  House ", "country": "DE", "time_zone": "Europe/Berlin"}
    assert sign_up(client, **details).url == CONFIRM
    user = get_user_model().objects.get()
    said = (user.email, user.display_name, user.country, user.time_zone)
    assert said == (ADDRESS, NAME, "DE", "Europe/Berlin")
    assert not is_logged_in(client)
    [letter] = mail.outbox
    assert letter.to == [ADDRESS]
    assert letter.subject == "Ownstream: Welcome. Confirm your e-mail address"


def test_the_code_confirms_the_address_and_logs_in(client):
    sign_up(client)
    page = client.get(CONFIRM)
    assert_plain(page)
    assert ADDRESS in page.text
    assert confirm(client).url == HOME
    assert is_proven()
    assert is_logged_in(client)
    assert client.get(CONFIRM).status_code == 302


def test_the_code_leads_to_where_the_person_wanted_to_be(client):
    client.post(f"{SIGNUP}?next=/wallet/", {"email": ADDRESS, "password1": PASSWORD, "next": "/wallet/"})
    assert confirm(client).url == "/wallet/"


def test_the_code_may_be_typed_as_people_do(client):
    sign_up(client)
    client.post(CONFIRM, {"code": f" {code_in(mail.outbox[0]).replace('-', ' ').lower()} "})
    assert is_logged_in(client)


def test_the_embedded_run_says_where_the_letter_is_and_a_real_market_does_not(client, settings):
    sign_up(client)
    main = client.get(CONFIRM).text.partition("<main")[2].partition("</main>")[0]
    assert 'href="/mail/"' in main
    settings.IS_EMBEDDED = False
    assert 'href="/mail/"' not in client.get(CONFIRM).text


def test_a_wrong_code_is_refused_and_five_of_them_end_it(client):
    sign_up(client)
    code = code_in(mail.outbox[0])
    for _ in range(4):
        answer = client.post(CONFIRM, {"code": "BBBB-BBBB"})
        assert_plain(answer)
        assert "This code is not right." in answer.text
    assert client.post(CONFIRM, {"code": "BBBB-BBBB"}).url == LOGIN
    assert client.post(CONFIRM, {"code": code}).status_code == 302
    assert not is_proven()
    assert not is_logged_in(client)


def test_another_code_can_be_sent_twice(client):
    sign_up(client)
    for _ in range(3):
        cache.clear()
        client.post(CONFIRM, {"action": "resend"})
    assert [letter.to for letter in mail.outbox] == [[ADDRESS]] * 3
    client.post(CONFIRM, {"code": code_in(mail.outbox[0])})
    assert not is_proven()
    confirm(client)
    assert is_logged_in(client)


def test_who_closed_the_browser_gets_another_code_at_log_in(client, attacker):
    assert log_in(client, PASSWORD).url == CONFIRM
    assert not is_logged_in(client)
    assert confirm(client).url == HOME
    assert is_logged_in(client)


def test_another_address_can_be_taken_instead(client):
    sign_up(client)
    assert client.post("/accounts/logout/", {"next": SIGNUP}).url == SIGNUP
    assert_plain(client.get(SIGNUP))
    assert sign_up(client, email="other@example.test").url == CONFIRM


def test_signing_up_needs_only_an_address_and_a_password(client):
    sign_up(client)
    user = get_user_model().objects.get()
    assert (user.display_name, user.country, user.time_zone) == ("", "", "UTC")
    assert not is_proven()


@pytest.mark.parametrize(
    "change",
    [
        {"email": "no address"},
        {"email": ""},
        {"password1": "short"},
        {"password1": "2847562987465"},
        {"password1": "password12"},
        {"country": "XX"},
        {"time_zone": "Mars/Olympus"},
        {"display_name": "x" * 61},
    ],
)
def test_a_wrong_sign_up_is_refused(client, change):
    answer = sign_up(client, **change)
    assert_plain(answer)
    assert "error-summary" in answer.text
    assert not get_user_model().objects.exists()
    assert mail.outbox == []


def test_signing_up_tells_nobody_who_has_an_account(client, ben):
    pages = {}
    for address in (ben.email, ADDRESS):
        answer = sign_up(client, email=address)
        page = client.get(answer.url)
        assert_plain(page)
        text = re.sub(r"X-CSRFToken[^}]+|csrfmiddlewaretoken[^>]+", "", page.text)
        pages[address] = (answer.status_code, answer.url, text.replace(address, "ADDRESS"))
        client.logout()
    assert pages[ben.email] == pages[ADDRESS]
    assert mail.outbox[0].subject == "Ownstream: You have an account already"
    assert get_user_model().objects.filter(email=ben.email).count() == 1


@pytest.mark.parametrize("address", [HOME, KEYS, "/wallet/", "/accounts/email/", "/accounts/2fa/webauthn/add/"])
def test_a_stranger_is_nowhere_without_the_code(attacker, address):
    answer = attacker.get(address)
    assert answer.status_code == 302
    assert answer.url.startswith(LOGIN)


def test_a_stranger_leaves_nothing_behind_in_an_account_made_with_your_address(client, attacker):
    """Pre-hijacking: he knows the first password, and his browser still waits for the code."""
    assert attacker.post(ADD_KEY, {"name": "Mine"}).status_code == 302
    reset_password(client)
    cache.clear()
    assert log_in(client, NEW_PASSWORD).url == CONFIRM
    confirm(client)
    assert is_logged_in(client)
    user = get_user_model().objects.get()
    assert not user.api_keys.exists()

    for address in (CONFIRM, LOGIN, SIGNUP, HOME):
        attacker.get(address)
        attacker.post(address, {"code": "", "action": "resend", "login": ADDRESS, "password": PASSWORD})
    assert not is_logged_in(attacker)
    log_in(Client(), PASSWORD)
    assert not is_logged_in(attacker)


def test_no_letter_to_an_unproven_address_says_what_the_stranger_calls_himself(client, attacker):
    log_in(client, PASSWORD)
    cache.clear()
    sign_up(Client(), display_name=NAME)
    client.post(RESET, {"email": ADDRESS})
    assert len(mail.outbox) == 4
    for letter in mail.outbox:
        assert NAME not in f"{letter.subject} {letter.body}"
