"""The pages of webhooks: who gets there, what the secret shows, and what each button does."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from standardwebhooks import Webhook

from marketplace.accounts.models import User
from marketplace.notices.delivering import serve_next_endpoint
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import WebhookDelivery, WebhookEndpoint
from marketplace.notices.services import add_webhook
from tests.notices.receiver import Receiver, receiver

pytestmark = pytest.mark.django_db


@pytest.fixture
def program() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def as_sara(client: Client, sara: User) -> Client:
    client.force_login(sara)
    return client


@pytest.fixture
def endpoint(sara: User, program: Receiver, now: datetime) -> WebhookEndpoint:
    return add_webhook(user=sara, url=program.url, kinds=[NoticeKind.SALE], at=now)[0]


def deliver_all() -> None:
    while serve_next_endpoint(at=timezone.now() + timedelta(seconds=1)):
        pass


def test_adding_shows_a_secret_once_that_verifies(as_sara: Client, program: Receiver) -> None:
    page = as_sara.post("/webhooks/add/", {"url": program.url, "kinds": ["sale", "refund"]})
    endpoint = WebhookEndpoint.objects.get()
    secret = page.context["secret"]
    assert secret in page.text
    assert "no-store" in page["Cache-Control"]
    address = f"/webhooks/{endpoint.public_id}/"
    for other in (address, "/webhooks/"):
        assert "whsec_" not in as_sara.get(other).text
    assert as_sara.post(f"{address}test/").status_code == 302
    deliver_all()
    headers, body = program.taken[0]
    assert Webhook(secret).verify(body, headers)["type"] == "test"
    text = as_sara.get(address).text
    assert ("answered 204" in text, "delivered" in text) == (True, True)


@pytest.mark.parametrize(
    "form",
    [{"url": "", "kinds": ["sale"]}, {"url": "ftp://x.example/", "kinds": ["sale"]}, {"url": "http://x.example/"}],
)
def test_a_refused_form_adds_nothing(as_sara: Client, form: dict[str, Any]) -> None:
    assert as_sara.post("/webhooks/add/", form).status_code == 422
    assert not WebhookEndpoint.objects.exists()


def test_changing_says_what_is_chosen(as_sara: Client, endpoint: WebhookEndpoint, program: Receiver) -> None:
    address = f"/webhooks/{endpoint.public_id}/"
    assert as_sara.post(address, {"url": program.url, "kinds": []}).status_code == 422
    assert as_sara.post(address, {"url": "nonsense", "kinds": ["offer"]}).status_code == 422
    endpoint.refresh_from_db()
    assert endpoint.kinds == ["sale"]
    assert as_sara.post(address, {"url": program.url, "kinds": ["offer", "sale"]}).status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.kinds == ["offer", "sale"]


def test_replays_from_the_log(as_sara: Client, endpoint: WebhookEndpoint, program: Receiver) -> None:
    address = f"/webhooks/{endpoint.public_id}/"
    program.statuses = [500]
    as_sara.post(f"{address}test/")
    deliver_all()
    assert "answered 500" in as_sara.get(address).text
    delivery = WebhookDelivery.objects.get()
    assert as_sara.post(f"{address}deliveries/{delivery.public_id}/replay/").status_code == 302
    deliver_all()
    delivery.refresh_from_db()
    assert (delivery.state, len(program.taken)) == ("delivered", 2)


def test_rotating_and_deleting_ask_first(as_sara: Client, endpoint: WebhookEndpoint) -> None:
    address = f"/webhooks/{endpoint.public_id}/"
    assert "24 hours" in as_sara.get(f"{address}rotation/").text
    assert "whsec_" in as_sara.post(f"{address}rotation/").text
    assert "signs as well until" in as_sara.get(address).text
    assert "Delete it" in as_sara.get(f"{address}deletion/").text
    assert WebhookEndpoint.objects.exists()
    assert as_sara.post(f"{address}deletion/").status_code == 302
    assert as_sara.post(f"{address}deletion/").status_code == 404
    assert not WebhookEndpoint.objects.exists()


def test_what_is_off_is_switched_on_again(as_sara: Client, endpoint: WebhookEndpoint, now: datetime) -> None:
    WebhookEndpoint.objects.update(disabled_at=now, disabled_reason="gone", failing_since=now)
    address = f"/webhooks/{endpoint.public_id}/"
    assert "Switch it on" in as_sara.get(address).text
    assert as_sara.post(f"{address}test/").status_code == 302
    assert not WebhookDelivery.objects.exists()
    as_sara.post(f"{address}activation/")
    endpoint.refresh_from_db()
    assert (endpoint.disabled_at, endpoint.disabled_reason, endpoint.failing_since) == (None, "", None)


@pytest.mark.parametrize("act", ["", "rotation/", "deletion/", "test/", "activation/"])
def test_a_stranger_gets_nowhere(client: Client, endpoint: WebhookEndpoint, mallory: User, act: str) -> None:
    address = f"/webhooks/{endpoint.public_id}/{act}"
    before = WebhookEndpoint.objects.values().get()
    assert "/accounts/login/" in client.post(address)["Location"]
    client.force_login(mallory)
    assert client.post(address, {"url": "http://x.example/", "kinds": ["sale"]}).status_code == 404
    assert endpoint.url not in client.get("/webhooks/").text
    assert WebhookEndpoint.objects.values().get() == before
    assert not WebhookDelivery.objects.exists()
