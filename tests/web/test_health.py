import time
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from ledger.freezing import freeze_log
from ledger.models import OutboxRow
from marketplace.celery import app
from marketplace.web.tasks import HEARTBEAT_KEY, heartbeat_task
from tests.builders_ledger import submit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def heartbeat() -> None:
    heartbeat_task()


def make_waiting_record(*, seconds: int) -> None:
    row = OutboxRow.objects.create(
        kind="trial.waiting",
        key=uuid.uuid4(),
        entry_id=uuid.uuid4(),
        body=b"{}",
        submitted_at=timezone.now() - timedelta(seconds=seconds),
    )
    assert timezone.now() - row.submitted_at >= timedelta(seconds=seconds)


def test_everything_up(client: Client) -> None:
    answer = client.get("/health")

    assert answer.status_code == 200
    body = answer.json()
    assert body["up"] is True
    assert {name: body[name]["up"] for name in ("database", "broker", "worker", "log")} == dict.fromkeys(
        ("database", "broker", "worker", "log"), True
    )
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("age_seconds", [None, 31])
def test_a_worker_that_is_not_heard_is_down(client: Client, age_seconds: int | None) -> None:
    if age_seconds is None:
        cache.delete(HEARTBEAT_KEY)
    else:
        cache.set(HEARTBEAT_KEY, time.time() - age_seconds)

    answer = client.get("/health")

    assert answer.status_code == 503
    assert answer.json()["worker"]["up"] is False
    assert answer.json()["database"]["up"] is True


def test_a_record_that_waits_too_long_means_the_log_is_down(client: Client) -> None:
    make_waiting_record(seconds=61)

    answer = client.get("/health")

    assert answer.status_code == 503
    assert answer.json()["log"]["up"] is False
    assert answer.json()["log"]["oldest_waiting_seconds"] >= 61


def test_a_frozen_log_is_down_and_says_so(client: Client, now: datetime) -> None:
    assert client.get("/health").json()["log"]["frozen"] is None
    freeze_log(code="log_rolled_back", sentence="It is smaller than it was.", evidence={}, at=now)

    answer = client.get("/health")

    assert answer.status_code == 503
    assert (answer.json()["log"]["up"], answer.json()["log"]["frozen"]) == (False, "log_rolled_back")


def test_names_the_record_that_blocks_the_log(client: Client, now: datetime) -> None:
    submit(now)
    assert client.get("/health").json()["log"]["blocked_by"] is None
    make_waiting_record(seconds=5)
    blocking = OutboxRow.objects.get(kind="trial.waiting")
    assert client.get("/health").json()["log"]["blocked_by"] == blocking.pk


def test_a_record_that_just_came_does_not(client: Client) -> None:
    make_waiting_record(seconds=5)
    assert client.get("/health").status_code == 200


def test_an_unreachable_broker_is_down_and_says_nothing_of_why(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.conf, "broker_url", "redis+socket:///nowhere/valkey?virtual_host=0")
    monkeypatch.setattr(app.conf, "broker_read_url", "redis+socket:///nowhere/valkey?virtual_host=0")

    answer = client.get("/health")

    assert answer.status_code == 503
    assert answer.json()["broker"] == {"up": False}
    assert "nowhere" not in answer.content.decode()


@pytest.mark.parametrize("address", ["/health", "/health/live"])
def test_only_reads(client: Client, address: str) -> None:
    assert client.post(address).status_code == 405


def test_the_web_is_alive_whatever_else_is_down(client: Client, django_assert_num_queries: Any) -> None:
    cache.delete(HEARTBEAT_KEY)
    make_waiting_record(seconds=61)

    with django_assert_num_queries(0):
        answer = client.get("/health/live")

    assert (answer.status_code, answer.content) == (200, b"live\n")
    assert "no-store" in answer["Cache-Control"]
