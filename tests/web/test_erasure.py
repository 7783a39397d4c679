"""The page that erases an account: who gets there, what it asks, and what is left of the browser's session."""

from datetime import datetime

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.test import Client

from marketplace.accounts.models import User
from tests.builders_delivery import make_stocked_listing
from tests.builders_money import fill_wallet
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
ERASURE, ERASED, LOGIN = "/account/settings/erasure/", "/account/erased/", "/accounts/login/"


@pytest.fixture(autouse=True)
def no_rate_limit_left_over() -> None:
    cache.clear()


def log_in_surely(client: Client, person: User) -> Client:
    client.post(LOGIN, {"login": person.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


@pytest.fixture
def as_sara(client: Client, sara: User) -> Client:
    return log_in_surely(client, sara)


def is_erased(user: User) -> bool:
    return User.objects.get(pk=user.pk).erased_at is not None


def test_says_what_goes_and_what_stays(as_sara: Client, sara: User, now: datetime) -> None:
    make_stocked_listing(sara, now)
    page = as_sara.get(ERASURE)
    assert page.status_code == 200
    assert page.text.count("<h1>") == 1
    assert "<b>1 device</b>" in page.text
    assert "Nothing of money" in page.text
    assert "Erase my account" in page.text
    assert ERASURE in as_sara.get("/account/settings/").text


def test_erases_and_ends_every_session(as_sara: Client, sara: User, django_capture_on_commit_callbacks: object) -> None:
    elsewhere = log_in_surely(Client(), sara)
    answer = as_sara.post(ERASURE, {"address": "Sara@Example.test"})
    assert (answer.status_code, answer.headers["Location"]) == (302, ERASED)
    assert is_erased(sara)
    assert "Your account is erased" in as_sara.get(ERASED).text
    for client in (as_sara, elsewhere):
        assert client.get("/home/").status_code == 302
    assert not [row for row in Session.objects.all() if "_auth_user_id" in row.get_decoded()]
    refused = Client().post(LOGIN, {"login": "sara@example.test", "password": PASSWORD})
    assert "/home/" not in refused.headers.get("Location", "")


@pytest.mark.django_db(transaction=True)
def test_the_letter_goes_to_the_old_address(as_sara: Client, sara: User) -> None:
    mail.outbox.clear()
    as_sara.post(ERASURE, {"address": sara.email})
    assert [letter.to for letter in mail.outbox] == [["sara@example.test"]]
    assert "cannot come back" in mail.outbox[0].body


@pytest.mark.parametrize("address", ["", "ben@example.test", "sara"])
def test_another_address_erases_nothing(as_sara: Client, sara: User, address: str) -> None:
    answer = as_sara.post(ERASURE, {"address": address})
    assert answer.status_code == 422
    assert not is_erased(sara)


def test_money_is_in_the_way_and_the_page_says_how_much(as_sara: Client, sara: User, now: datetime) -> None:
    fill_wallet(sara, 3, now)
    page = as_sara.get(ERASURE)
    assert "erasure_money_in_wallet" in page.text
    assert "3.00" in page.text
    assert "Erase my account" not in page.text
    answer = as_sara.post(ERASURE, {"address": sara.email})
    assert answer.status_code == 422
    assert "erasure_money_in_wallet" in answer.text
    assert not is_erased(sara)


def test_asks_for_the_password_first(client: Client, sara: User) -> None:
    client.force_login(sara)
    for answer in (client.get(ERASURE), client.post(ERASURE, {"address": sara.email})):
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/accounts/reauthenticate/")
    assert not is_erased(sara)


def test_a_visitor_is_sent_to_log_in(client: Client, sara: User) -> None:
    for answer in (client.get(ERASURE), client.post(ERASURE, {"address": sara.email})):
        assert answer.headers["Location"].startswith(LOGIN)
    assert not is_erased(sara)


def test_a_stranger_erases_only_herself(client: Client, sara: User, mallory: User) -> None:
    answer = log_in_surely(client, mallory).post(ERASURE, {"address": sara.email})
    assert answer.status_code == 422
    assert not is_erased(sara)
    assert not is_erased(mallory)


def test_a_form_from_elsewhere_erases_nothing(sara: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(sara)
    assert client.post(ERASURE, {"address": sara.email}).status_code == 403
    assert not is_erased(sara)


def test_staff_see_the_erased_account_and_change_nothing(as_sara: Client, sara: User, client: Client) -> None:
    as_sara.post(ERASURE, {"address": sara.email})
    admin = User.objects.create_superuser("root@example.test", PASSWORD)
    staff = log_in_surely(Client(), admin)
    address = f"/admin/accounts/user/{sara.pk}/change/"
    page = staff.get(address)
    assert page.status_code in {200, 302, 403}
    staff.post(address, {"email": "sara@example.test"})
    assert User.objects.get(pk=sara.pk).email.endswith("@erased.invalid")
