import threading
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Device
from marketplace.api.idempotency import ANSWERS_KEPT, forget_answers
from marketplace.api.models import IdempotentRequest
from marketplace.celery import app

DEVICE = {"name": "Roof", "kind": "weather_station", "country": "DE"}


@pytest.mark.django_db
def test_a_repeat_gets_the_first_answer_and_acts_once(sara, api_as):
    client = api_as(sara)
    first = client.post("/api/devices", DEVICE, format="json", HTTP_IDEMPOTENCY_KEY="one")
    second = client.post("/api/devices", DEVICE, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert Device.objects.count() == 1


@pytest.mark.django_db
def test_refuses_the_key_with_another_request(sara, api_as):
    client = api_as(sara)
    client.post("/api/devices", DEVICE, format="json", HTTP_IDEMPOTENCY_KEY="one")
    response = client.post("/api/devices", DEVICE | {"name": "Pier"}, format="json", HTTP_IDEMPOTENCY_KEY="one")
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_conflict")
    assert Device.objects.count() == 1


@pytest.mark.django_db
def test_people_have_their_own_keys(sara, ben, api_as):
    for person in (sara, ben):
        assert api_as(person).post("/api/devices", DEVICE, format="json", HTTP_IDEMPOTENCY_KEY="one").status_code == 201
    assert Device.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 129, "caf\xe9"])
def test_refuses_a_key_that_is_none(sara, api_as, key):
    response = api_as(sara).post("/api/devices", DEVICE, format="json", HTTP_IDEMPOTENCY_KEY=key)
    assert (response.status_code, response.json()["code"]) == (400, "idempotency_key_invalid")
    assert not Device.objects.exists()


@pytest.mark.django_db
def test_a_refused_request_can_be_mended_under_the_same_key(sara, api_as):
    client = api_as(sara)
    assert client.post("/api/devices", {}, format="json", HTTP_IDEMPOTENCY_KEY="one").status_code == 400
    assert client.post("/api/devices", DEVICE, format="json", HTTP_IDEMPOTENCY_KEY="one").status_code == 201


@pytest.mark.django_db
def test_secrets_are_not_kept(sara, api_as):
    client = api_as(sara)
    device = client.post("/api/devices", DEVICE, format="json").json()
    path = f"/api/devices/{device['id']}/claims"
    code = client.post(path, format="json", HTTP_IDEMPOTENCY_KEY="claim").json()["code"]
    assert client.post(path, format="json", HTTP_IDEMPOTENCY_KEY="claim").json()["code"] is None
    assert code.encode() not in bytes(IdempotentRequest.objects.get().body or b"")


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_make_one_device(sara, api_as):
    key, client = uuid.uuid4().hex, api_as(sara)
    credentials = client._credentials
    answers = []

    def post() -> None:
        mine = APIClient()
        mine.credentials(**credentials)
        answers.append(mine.post("/api/devices", DEVICE, format="json", HTTP_IDEMPOTENCY_KEY=key))
        connection.close()

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert Device.objects.count() == 1


@pytest.mark.django_db
def test_old_answers_are_forgotten_and_their_keys_are_free_again(sara, api_as):
    client = api_as(sara)
    for key in ("old", "young"):
        client.post("/api/devices", DEVICE, format="json", HTTP_IDEMPOTENCY_KEY=key)
    now = IdempotentRequest.objects.get(key="old").created_at + ANSWERS_KEPT
    IdempotentRequest.objects.filter(key="young").update(created_at=now - ANSWERS_KEPT)
    IdempotentRequest.objects.filter(key="old").update(created_at=now - ANSWERS_KEPT - timedelta(microseconds=1))

    assert forget_answers(at=now) == 1
    assert forget_answers(at=now) == 0
    assert IdempotentRequest.objects.get().key == "young"
    assert client.post("/api/devices", DEVICE, format="json", HTTP_IDEMPOTENCY_KEY="old").status_code == 201
    assert Device.objects.count() == 3


@pytest.mark.django_db
def test_the_schedule_forgets_old_answers(sara):
    at = timezone.now() - ANSWERS_KEPT - timedelta(seconds=1)
    IdempotentRequest.objects.create(user=sara, key="old", request_hash=b"", created_at=at)
    app.loader.import_default_modules()
    assert app.tasks[settings.CELERY_BEAT_SCHEDULE["api-forget-answers"]["task"]]() == 1
    assert not IdempotentRequest.objects.exists()
