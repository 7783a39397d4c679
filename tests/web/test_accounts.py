"""Logging in and out, the password and the address, through the pages."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from marketplace.accounts.models import ApiKey
from marketplace.accounts.services import create_api_key
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
LOGIN, RESET = "/accounts/login/", "/accounts/password/reset/"
HOME, EMAIL, CONFIRM = "/home/", "/accounts/email/", "/accounts/confirm-email/"
NEW_PASSWORD = "other-horse-battery"


@pytest.fixture(autouse=True)
def no_rate_limit_left_over():
    cache.clear()


def log_in(client, person):
    return client.post(LOGIN, {"login": person.email, "password": PASSWORD})


def log_in_surely(client, person):
    """Log in, and enter the password once more, as important acts ask for."""
    log_in(client, person)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


@pytest.fixture
def as_ben(client, ben):
    return log_in_surely(client, ben)


def link_in(letter):
    [link] = re.findall(r"http://testserver(/\S+)", letter.body.split("Was it not you")[0])
    return link


def code_in(letter):
    [code] = re.findall(r"^[A-Z]{4}-[A-Z]{4}$", letter.body, re.MULTILINE)
    return code


def is_logged_in(client):
    return client.get(HOME).status_code == 200


def assert_plain(answer, status=200):
    """A page of ours: one heading, and nothing that the Content-Security-Policy refuses."""
    page = answer.text
    assert answer.status_code == status
    assert len(re.findall(r"<h1[ >]", page)) == 1
    assert "· Ownstream</title>" in page
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=", page)
    scripts = re.findall(r"<script([^>]*)>", page)
    assert all("src=" in attributes or 'type="application/json"' in attributes for attributes in scripts)


# ── Logging in and out


def test_logging_in_and_out(client, ben):
    assert client.post(LOGIN, {"login": "BEN@example.test", "password": PASSWORD}).url == HOME
    assert is_logged_in(client)
    assert_plain(client.get("/accounts/logout/"))
    assert is_logged_in(client)
    assert client.post("/accounts/logout/").url == "/"
    assert not is_logged_in(client)


def test_a_wrong_password_and_an_unknown_address_are_answered_alike(client, ben):
    pages = []
    for address in (ben.email, "nobody@example.test"):
        answer = client.post(LOGIN, {"login": address, "password": "wrong-horse"})
        assert_plain(answer)
        pages.append("The address and the password do not match." in answer.text)
    assert pages == [True, True]
    assert not is_logged_in(client)


def test_the_session_ends_with_the_browser_unless_asked_to_stay(client, ben):
    client.post(LOGIN, {"login": ben.email, "password": PASSWORD})
    assert client.session.get_expire_at_browser_close()
    client.logout()
    client.post(LOGIN, {"login": ben.email, "password": PASSWORD, "remember": "on"})
    assert not client.session.get_expire_at_browser_close()


def test_an_account_that_is_switched_off_stays_out(client, ben):
    ben.is_active = False
    ben.save()
    client.post(LOGIN, {"login": ben.email, "password": PASSWORD})
    assert not is_logged_in(client)
    assert_plain(client.get("/accounts/inactive/"))


@pytest.mark.parametrize(
    "address", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_a_link_cannot_send_you_to_another_site(client, ben, address):
    assert_plain(client.get(LOGIN, {"next": address}))
    answer = client.post(LOGIN, {"login": ben.email, "password": PASSWORD, "next": address})
    assert answer.url == HOME


def test_after_the_log_in_you_are_where_you_wanted_to_be(client, ben):
    page = client.get(LOGIN, {"next": "/wallet/"})
    assert 'name="next" value="/wallet/"' in page.text
    assert client.post(LOGIN, {"login": ben.email, "password": PASSWORD, "next": "/wallet/"}).url == "/wallet/"


def test_guessing_is_slowed_down(client, ben):
    for _ in range(5):
        client.post(LOGIN, {"login": ben.email, "password": "wrong-horse"})
    answer = client.post(LOGIN, {"login": ben.email, "password": PASSWORD})
    assert "Too many attempts failed" in answer.text
    assert not is_logged_in(client)


def test_too_many_requests_get_a_page_that_says_so(client):
    answers = [client.post(RESET, {"email": "nobody@example.test"}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [302] * 5 + [429]
    assert_plain(answers[-1], status=429)
    assert "Too many attempts" in answers[-1].text


# ── The password


def test_changing_the_password(as_ben, ben):
    fields = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert as_ben.post("/accounts/password/change/", fields).status_code == 302
    ben.refresh_from_db()
    assert ben.check_password(NEW_PASSWORD)
    assert is_logged_in(as_ben)
    assert mail.outbox[-1].subject == "Ownstream: Your password was changed"


@pytest.mark.parametrize(
    "change", [{"oldpassword": "wrong"}, {"password2": "other"}, {"password1": "short", "password2": "short"}]
)
def test_a_wrong_change_of_the_password_is_refused(as_ben, ben, change):
    fields = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD} | change
    assert_plain(as_ben.post("/accounts/password/change/", fields))
    ben.refresh_from_db()
    assert ben.check_password(PASSWORD)
    assert mail.outbox == []


def test_resetting_the_password_by_mail(client, ben):
    answer = client.post(RESET, {"email": ben.email})
    assert_plain(client.get(answer.url))
    link = link_in(mail.outbox[0])
    form = client.get(link, follow=True)
    assert_plain(form)
    address = form.redirect_chain[-1][0]
    fields = {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert_plain(client.post(address, fields, follow=True))
    ben.refresh_from_db()
    assert ben.check_password(NEW_PASSWORD)
    assert client.post(LOGIN, {"login": ben.email, "password": NEW_PASSWORD}).url == HOME
    client.logout()
    again = client.get(link, follow=True)
    assert_plain(again)
    assert "no longer good" in again.text


def test_a_new_password_ends_other_sessions_and_every_key_of_the_person_alone(as_ben, ben, sara, now):
    other = log_in_surely(Client(), ben)
    create_api_key(user=ben, name="Script", at=now)
    kept, _ = create_api_key(user=sara, name="Script", at=now)
    fields = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    as_ben.post("/accounts/password/change/", fields)
    assert is_logged_in(as_ben)
    assert not is_logged_in(other)
    assert list(ApiKey.objects.usable()) == [kept]
    assert "your API keys have ended" in mail.outbox[-1].body


def test_resetting_the_password_ends_all_sessions_and_keys(as_ben, ben, now):
    create_api_key(user=ben, name="Script", at=now)
    stranger = Client()
    stranger.post(RESET, {"email": ben.email})
    assert ApiKey.objects.usable().exists()
    form = stranger.get(link_in(mail.outbox[0]), follow=True).redirect_chain[-1][0]
    stranger.post(form, {"password1": NEW_PASSWORD, "password2": "other"})
    assert is_logged_in(as_ben)
    assert ApiKey.objects.usable().exists()
    stranger.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert not is_logged_in(as_ben)
    assert not ApiKey.objects.usable().exists()


@pytest.mark.parametrize("key", ["1-nonsense", "zzz-set-password", "1-set-password"])
def test_a_made_up_reset_link_changes_nothing(client, ben, key):
    address = f"/accounts/password/reset/key/{key}/"
    assert_plain(client.get(address))
    client.post(address, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    ben.refresh_from_db()
    assert ben.check_password(PASSWORD)


def test_resetting_says_the_same_for_an_unknown_address(client, ben):
    pages = {}
    for address in (ben.email, "nobody@example.test"):
        answer = client.post(RESET, {"email": address}, follow=True)
        pages[address] = re.sub(r"X-CSRFToken[^}]+|csrfmiddlewaretoken[^>]+", "", answer.text)
    assert pages[ben.email] == pages["nobody@example.test"]
    assert [letter.subject for letter in mail.outbox] == [
        "Ownstream: Reset your password",
        "Ownstream: There is no account with this address",
    ]


# ── The address


def test_changing_the_address_waits_for_its_confirmation(as_ben, ben):
    assert as_ben.post(EMAIL, {"email": "ben2@example.test", "action_add": ""}).url == CONFIRM
    ben.refresh_from_db()
    assert ben.email == "ben@example.test"
    page = as_ben.get(CONFIRM)
    assert_plain(page)
    assert "ben2@example.test" in page.text
    assert mail.outbox[0].to == ["ben2@example.test"]
    as_ben.post(CONFIRM, {"code": code_in(mail.outbox[0])})
    ben.refresh_from_db()
    assert ben.email == "ben2@example.test"
    assert [row.email for row in EmailAddress.objects.filter(user=ben)] == ["ben2@example.test"]
    assert mail.outbox[-1].to == ["ben@example.test"]


def test_a_change_of_address_that_is_not_confirmed_changes_nothing(as_ben, ben):
    as_ben.post(EMAIL, {"email": "ben2@example.test", "action_add": ""})
    assert_plain(as_ben.post(CONFIRM, {"code": "BBBB-BBBB"}))
    assert_plain(as_ben.get(EMAIL))
    assert [row.email for row in EmailAddress.objects.filter(user=ben)] == ["ben@example.test"]


def test_another_code_can_be_sent(as_ben, ben):
    as_ben.post(EMAIL, {"email": "ben2@example.test", "action_add": ""})
    cache.clear()
    as_ben.post(CONFIRM, {"action": "resend"})
    assert [letter.to for letter in mail.outbox] == [["ben2@example.test"]] * 2
    as_ben.post(CONFIRM, {"code": code_in(mail.outbox[0])})
    assert EmailAddress.objects.get(user=ben).email == "ben@example.test"
    as_ben.post(CONFIRM, {"code": code_in(mail.outbox[1])})
    assert EmailAddress.objects.get(user=ben).email == "ben2@example.test"


def test_nobody_takes_the_address_of_another(as_ben, ben, sara):
    as_ben.post(EMAIL, {"email": sara.email, "action_add": ""})
    for letter in mail.outbox:
        as_ben.post(CONFIRM, {"code": code_in(letter)})
    ben.refresh_from_db()
    assert ben.email == "ben@example.test"
    assert EmailAddress.objects.get(email=sara.email).user == sara


# ── Every page


@pytest.mark.parametrize(
    "name", ["account_login", "account_signup", "account_reset_password", "account_reset_password_done",
             "account_reset_password_from_key_done", "account_inactive"]
)  # fmt: skip
def test_pages_of_a_visitor(client, name):
    assert_plain(client.get(reverse(name)))


@pytest.mark.parametrize(
    "name", ["account_email", "account_change_password", "account_logout", "account_reauthenticate"]
)
def test_pages_of_a_member_ask_a_visitor_to_log_in(client, ben, name):
    assert client.get(reverse(name)).status_code == 302
    client.force_login(ben)
    assert_plain(client.get(reverse(name)))


def test_who_has_no_password_sets_one(client, ben):
    ben.set_unusable_password()
    ben.save()
    client.force_login(ben)
    assert_plain(client.get("/accounts/password/set/"))
    client.post("/accounts/password/set/", {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    ben.refresh_from_db()
    assert ben.check_password(NEW_PASSWORD)
