"""The page on which a buyer watches new rows come, without its script."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from marketplace.access.services import revoke_token
from marketplace.accounts.models import User
from marketplace.delivery.models import Read
from marketplace.purchases.services import withdraw_consent_with_refunds
from tests.builders_delivery import buy_token, make_stocked_listing

pytestmark = pytest.mark.django_db


@pytest.fixture
def token(sara: User, ben: User):
    at = timezone.now() - timedelta(seconds=5)
    _, listing = make_stocked_listing(sara, at)
    return buy_token(listing, ben, at)[0]


def address(token, name="purchase_live"):
    return reverse(name, args=[token.purchase.public_id])


def test_shows_the_newest_rows_only_when_asked_and_counts_them(client: Client, ben: User, token) -> None:
    client.force_login(ben)
    page = client.get(address(token)).content.decode()
    assert "No rows are shown yet." in page
    assert not Read.objects.exists()
    page = client.post(address(token)).content.decode()
    assert page.count("<tr>") == 21
    assert f"{20 + 59 / 7}" in page
    read = Read.objects.get()
    assert (read.door, read.row_count, read.token) == (Read.Door.LIVE, 20, token)


def test_gives_the_script_a_link(client: Client, ben: User, token, settings) -> None:
    settings.LIVE_URL = "http://127.0.0.1:9001"
    client.force_login(ben)
    url = client.get(address(token, "purchase_live_link")).json()["url"]
    assert url.startswith(f"http://127.0.0.1:9001/live/{token.purchase.public_id}/readings?link=")


def test_without_a_working_token_it_leads_to_one(client: Client, ben: User, token) -> None:
    revoke_token(token=token, at=timezone.now())
    client.force_login(ben)
    assert "Make a token" in client.get(address(token)).content.decode()
    assert client.post(address(token)).status_code == 200
    assert client.get(address(token, "purchase_live_link")).status_code == 409
    assert not Read.objects.exists()


def test_says_why_when_it_is_over(client: Client, ben: User, token) -> None:
    withdraw_consent_with_refunds(consent=token.purchase.listing.consent, at=timezone.now())
    client.force_login(ben)
    assert "withdrawn the consent" in client.post(address(token)).content.decode()
    answer = client.get(address(token, "purchase_live_link"))
    assert (answer.status_code, "withdrawn" in answer.json()["message"]) == (409, True)
    assert not Read.objects.exists()


@pytest.mark.parametrize("name", ["purchase_live", "purchase_live_link"])
def test_is_nobody_elses(client: Client, mallory: User, token, name: str) -> None:
    assert client.get(address(token, name)).status_code == 302
    client.force_login(mallory)
    assert client.get(address(token, name)).status_code == 404
    assert client.post(address(token, "purchase_live")).status_code == 404
    assert not Read.objects.exists()


def test_programs_are_told_where_the_stream_is(client: Client, token, settings) -> None:
    path = f"/live/{token.purchase.public_id}/readings"
    settings.LIVE_URL = "http://127.0.0.1:9001"
    answer = client.get(path, {"last_event_id": "1"})
    assert (answer.status_code, answer["Location"]) == (307, f"http://127.0.0.1:9001{path}?last_event_id=1")
    settings.LIVE_URL = settings.PUBLIC_URL
    assert client.get(path).status_code == 503
