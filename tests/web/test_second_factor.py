"""The authenticator app, recovery codes and the list of passkeys, through the pages."""

import json
import time

import pytest
import time_machine
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from django.core import mail
from django.core.cache import cache

from tests.conftest import PASSWORD
from tests.web.test_accounts import LOGIN, assert_plain, is_logged_in, log_in, log_in_surely

pytestmark = pytest.mark.django_db
INDEX, CODES, PASSKEYS = "/accounts/2fa/", "/accounts/2fa/recovery-codes/", "/accounts/2fa/webauthn/"
ACTIVATE, DEACTIVATE, AUTHENTICATE = f"{INDEX}totp/activate/", f"{INDEX}totp/deactivate/", f"{INDEX}authenticate/"
PARTS = ("clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle")
GARBAGE = [
    "",
    "no json",
    "{}",
    "[1]",
    '"text"',
    '{"id": "x", "rawId": "x", "response": {}, "type": "public-key"}',
    '{"id": "eA", "rawId": "eA", "response": {"clientDataJSON": "eA", "attestationObject": "eA"}, "type": "x"}',
    json.dumps({"id": "eA", "rawId": "eA", "type": "public-key", "response": dict.fromkeys(PARTS, "oA")}),
]
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def no_rate_limit_left_over():
    cache.clear()


@pytest.fixture(autouse=True)
def half_minute():
    """A code is good until its half minute is over. On a busy machine that may come between making and sending it."""
    with time_machine.travel(time.time(), tick=False):
        yield


@pytest.fixture
def as_ben(client, ben):
    return log_in_surely(client, ben)


@pytest.fixture
def app_on(ben):
    TOTP.activate(ben, SECRET)
    return RecoveryCodes.activate(ben)


@pytest.fixture
def passkey(ben):
    data = {"name": "Phone", "passwordless": True, "credential": {}}
    return Authenticator.objects.create(user=ben, type=Authenticator.Type.WEBAUTHN, data=data)


def code_of(secret):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


# ── Setting the app up


@pytest.mark.django_db(transaction=True)
def test_setting_the_app_up(as_ben, ben):
    page = as_ben.get(ACTIVATE)
    assert_plain(page)
    assert 'src="data:image/svg+xml;base64,' in page.text
    secret = page.context["form"].secret
    assert secret in page.text
    answer = as_ben.post(ACTIVATE, {"code": code_of(secret)})
    assert answer.url == CODES
    assert_plain(as_ben.get(CODES))
    assert sorted(Authenticator.objects.values_list("type", flat=True)) == ["recovery_codes", "totp"]
    assert "Ownstream: An authenticator app was set up" in [letter.subject for letter in mail.outbox]


def test_a_wrong_code_sets_nothing_up(as_ben):
    as_ben.get(ACTIVATE)
    answer = as_ben.post(ACTIVATE, {"code": "000000"})
    assert_plain(answer)
    assert "This code is not right" in answer.text
    assert not Authenticator.objects.exists()


def test_an_unconfirmed_address_gets_no_second_factor(as_ben, ben):
    ben.emailaddress_set.update(verified=False)
    answer = as_ben.get(ACTIVATE, follow=True)
    assert_plain(answer)
    assert "Confirm your e-mail address first" in answer.text


def test_important_pages_ask_for_the_password_once_more(client, ben):
    log_in(client, ben)
    answer = client.get(ACTIVATE)
    assert answer.url == f"/accounts/reauthenticate/?next={ACTIVATE.replace('/', '%2F')}"
    assert_plain(client.get(answer.url))
    wrong = client.post(answer.url, {"password": "wrong-horse", "next": ACTIVATE})
    assert_plain(wrong)
    assert "This is not your password" in wrong.text
    assert client.get(ACTIVATE).status_code == 302
    assert client.post(answer.url, {"password": PASSWORD, "next": ACTIVATE}).url == ACTIVATE
    assert client.get(ACTIVATE).status_code == 200


def test_a_code_serves_as_well_as_the_password(client, ben, app_on):
    log_in(client, ben)
    codes = app_on.get_unused_codes()
    client.post(AUTHENTICATE, {"code": codes[0]})
    for name in ("", "2fa/"):
        page = client.get(f"/accounts/{name}reauthenticate/")
        assert_plain(page)
        assert "Another way" in page.text
    assert_plain(client.post("/accounts/2fa/reauthenticate/", {"code": "000000"}))
    assert client.get(DEACTIVATE).status_code == 302
    client.post("/accounts/2fa/reauthenticate/", {"code": codes[1]})
    assert client.get(DEACTIVATE).status_code == 200


def test_turning_the_app_off_ends_the_recovery_codes_too(as_ben, app_on):
    assert_plain(as_ben.get(DEACTIVATE))
    as_ben.post(DEACTIVATE)
    assert not Authenticator.objects.exists()


# ── Logging in with it


def test_the_password_alone_no_longer_logs_in(client, ben, app_on):
    assert log_in(client, ben).url == AUTHENTICATE
    page = client.get(AUTHENTICATE)
    assert_plain(page)
    assert not is_logged_in(client)
    wrong = client.post(AUTHENTICATE, {"code": "000000"})
    assert_plain(wrong)
    assert not is_logged_in(client)
    client.post(AUTHENTICATE, {"code": code_of(SECRET)})
    assert is_logged_in(client)


def test_a_code_of_the_app_works_once(client, ben, app_on):
    code = code_of(SECRET)
    log_in(client, ben)
    client.post(AUTHENTICATE, {"code": code})
    client.post("/accounts/logout/")
    log_in(client, ben)
    assert_plain(client.post(AUTHENTICATE, {"code": code}))
    assert not is_logged_in(client)


def test_a_recovery_code_logs_in_once(client, ben, app_on):
    code = app_on.get_unused_codes()[0]
    log_in(client, ben)
    client.post(AUTHENTICATE, {"code": code})
    assert is_logged_in(client)
    client.post("/accounts/logout/")
    log_in(client, ben)
    client.post(AUTHENTICATE, {"code": code})
    assert not is_logged_in(client)


def test_the_log_in_can_be_cancelled(client, ben, app_on):
    log_in(client, ben)
    assert client.post("/accounts/logout/", {"next": LOGIN}).url == LOGIN
    assert client.get(AUTHENTICATE).url == LOGIN


def test_a_stranger_without_the_password_sees_no_second_step(client, app_on):
    assert client.get(AUTHENTICATE).url == LOGIN
    assert client.post(AUTHENTICATE, {"code": code_of(SECRET)}).url == LOGIN
    assert not is_logged_in(client)


# ── Recovery codes


def as_ben_with_code(client, ben):
    log_in(client, ben)
    client.post(AUTHENTICATE, {"code": code_of(SECRET)})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert is_logged_in(client)


def test_recovery_codes_are_shown_and_downloaded(client, ben, app_on):
    as_ben_with_code(client, ben)
    codes = app_on.get_unused_codes()
    page = client.get(CODES)
    assert_plain(page)
    assert all(code in page.text for code in codes)
    download = client.get(f"{CODES}download/")
    assert download.text.split("\n\n")[1].split() == codes
    assert "attachment" in download["Content-Disposition"]


def test_new_recovery_codes_end_the_old_ones(client, ben, app_on):
    old = app_on.get_unused_codes()
    as_ben_with_code(client, ben)
    page = client.get(f"{CODES}generate/")
    assert_plain(page)
    assert "stop working at once" in page.text
    client.post(f"{CODES}generate/")
    new = Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes()
    assert not set(old) & set(new)


def test_recovery_codes_alone_make_no_second_factor(as_ben):
    answer = as_ben.post(f"{CODES}generate/")
    assert_plain(answer)
    assert not Authenticator.objects.exists()


# ── Passkeys, as far as they go without a browser: see also test_passkeys.py


def test_pages_about_passkeys(as_ben, passkey):
    for address in (INDEX, PASSKEYS, f"{PASSKEYS}keys/{passkey.pk}/edit/"):
        assert_plain(as_ben.get(address))
    page = as_ben.get(f"{PASSKEYS}keys/{passkey.pk}/remove/")
    assert_plain(page)
    assert "“Phone”" in page.text


def test_the_page_that_adds_a_passkey(as_ben):
    page = as_ben.get(f"{PASSKEYS}add/")
    assert_plain(page)
    assert "Passkeys need JavaScript" in page.text
    assert 'value="Passkey 1"' in page.text


def test_renaming_and_removing_a_passkey(as_ben, passkey):
    as_ben.post(f"{PASSKEYS}keys/{passkey.pk}/edit/", {"name": "Old phone"})
    passkey.refresh_from_db()
    assert passkey.wrap().name == "Old phone"
    as_ben.post(f"{PASSKEYS}keys/{passkey.pk}/remove/")
    assert not Authenticator.objects.exists()
    assert "Your passkeys will be here" in as_ben.get(PASSKEYS).text


@pytest.mark.parametrize("act", ["edit", "remove"])
def test_the_passkey_of_another_is_not_there(client, mallory, passkey, act):
    log_in_surely(client, mallory)
    address = f"{PASSKEYS}keys/{passkey.pk}/{act}/"
    assert client.get(address).status_code == 404
    assert client.post(address, {"name": "Mine"}).status_code == 404
    passkey.refresh_from_db()
    assert passkey.wrap().name == "Phone"


@pytest.mark.parametrize("credential", GARBAGE)
def test_a_made_up_passkey_is_refused(as_ben, credential):
    as_ben.get(f"{PASSKEYS}add/")
    assert_plain(as_ben.post(f"{PASSKEYS}add/", {"name": "Phone", "credential": credential}))
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("credential", GARBAGE)
def test_a_made_up_proof_does_not_log_in(client, ben, passkey, credential):
    client.get(f"{PASSKEYS}login/", headers={"accept": "application/json"})
    assert client.post(f"{PASSKEYS}login/", {"credential": credential}).url == LOGIN
    assert not is_logged_in(client)


@pytest.mark.parametrize("credential", GARBAGE)
def test_a_made_up_proof_is_no_second_factor(client, ben, app_on, credential):
    log_in(client, ben)
    client.get(AUTHENTICATE)
    assert_plain(client.post(AUTHENTICATE, {"credential": credential}))
    assert not is_logged_in(client)
    as_ben_with_code(client, ben)
    client.get(f"{PASSKEYS}reauthenticate/")
    assert client.post(f"{PASSKEYS}reauthenticate/", {"credential": credential}).status_code == 302


@pytest.mark.parametrize("address", [INDEX, ACTIVATE, CODES, PASSKEYS, f"{PASSKEYS}add/", f"{CODES}generate/"])
def test_a_visitor_is_asked_to_log_in(client, address):
    assert client.get(address).url.startswith(LOGIN)


def test_the_library_uses_our_words():
    assert "authenticator app" in str(get_adapter().error_messages["cannot_generate_recovery_codes"])
