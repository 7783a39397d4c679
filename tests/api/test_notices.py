"""The inbox and the webhooks of a person's programs."""

import pytest
from django.utils import timezone

from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import WebhookDelivery, WebhookEndpoint
from marketplace.notices.services import notify
from tests.builders_notices import facts_of

pytestmark = pytest.mark.django_db

WANTED = {"url": "https://hooks.example.test/ownstream", "kinds": ["sale", "refund"]}


@pytest.fixture
def told(sara, now):
    for kind in (NoticeKind.SALE, NoticeKind.PAYOUT):
        notify(user=sara, kind=kind, facts=facts_of(kind), at=now)


def test_shows_the_inbox_and_marks_it_read(told, sara, mallory, api_as):
    client = api_as(sara)
    inbox = client.get("/api/notices").json()["results"]
    assert sorted(notice["kind"] for notice in inbox) == ["payout", "sale"]
    payout = next(notice for notice in inbox if notice["kind"] == "payout")
    assert payout["facts"]["amount_micros"] == 41_000_000

    assert api_as(mallory).get("/api/notices").json()["results"] == []
    assert api_as(mallory).post(f"/api/notices/{payout['id']}/reading").status_code == 404

    assert client.post(f"/api/notices/{payout['id']}/reading").json()["read_at"] is not None
    assert [notice["kind"] for notice in client.get("/api/notices?unread=true").json()["results"]] == ["sale"]
    assert client.post("/api/notices/reading").json() == {"read_count": 1}
    assert client.post("/api/notices/reading").json() == {"read_count": 0}


def test_a_webhook_lives_its_whole_life(sara, api_as):
    client = api_as(sara)
    made = client.post("/api/webhooks", WANTED, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    again = client.post("/api/webhooks", WANTED, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert (again.status_code, again.json()["id"], again.json()["secret"]) == (201, made.json()["id"], None)
    assert WebhookEndpoint.objects.count() == 1
    path = f"/api/webhooks/{made.json()['id']}"

    assert client.get(path).json()["kinds"] == ["refund", "sale"]
    assert "secret" not in client.get(path).json()
    assert client.put(path, {**WANTED, "kinds": ["dispute"]}, format="json").json()["kinds"] == ["dispute"]
    assert client.post(f"{path}/secret").json()["secret"] != made.json()["secret"]

    sent = client.post(f"{path}/test").json()
    WebhookDelivery.objects.update(state="failed", due_at=None, attempt_count=9)
    assert [row["state"] for row in client.get(f"{path}/deliveries").json()["results"]] == ["failed"]
    replayed = client.post(f"{path}/deliveries/{sent['id']}/replay").json()
    assert (replayed["state"], replayed["attempt_count"], replayed["id"]) == ("waiting", 0, sent["id"])

    WebhookEndpoint.objects.update(disabled_at=timezone.now(), disabled_reason="failing")
    assert client.post(f"{path}/test").json()["code"] == "webhook_off"
    assert client.post(f"{path}/enabling").json()["disabled_at"] is None
    assert client.delete(path).status_code == 204
    assert client.get("/api/webhooks").json()["results"] == []


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"url": "ftp://hooks.example.test/"}, 409, "webhook_url_refused"),
        ({"url": "http://10.0.0.1/"}, 409, "webhook_url_refused"),
        ({"kinds": []}, 400, "invalid"),
        ({"kinds": ["everything"]}, 400, "invalid"),
    ],
)
def test_refuses_bad_webhooks(sara, api_as, settings, changes, status, code):
    settings.WEBHOOKS_MAY_STAY_LOCAL = False
    answer = api_as(sara).post("/api/webhooks", WANTED | changes, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not WebhookEndpoint.objects.exists()


def test_strangers_find_no_webhook(sara, mallory, api_as):
    path = f"/api/webhooks/{api_as(sara).post('/api/webhooks', WANTED, format='json').json()['id']}"
    sent = api_as(sara).post(f"{path}/test").json()["id"]
    stranger = api_as(mallory)
    assert stranger.get(path).status_code == 404
    assert stranger.put(path, WANTED, format="json").status_code == 404
    assert stranger.delete(path).status_code == 404
    assert stranger.get(f"{path}/deliveries").status_code == 404
    for act in ("secret", "enabling", "test", f"deliveries/{sent}/replay"):
        assert stranger.post(f"{path}/{act}").status_code == 404
    assert WebhookEndpoint.objects.count() == 1
