"""Only what a provider signed just now is taken, once, and only what was asked for is booked."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.wallet.gateway.models import EventOutcome, ProviderEvent
from marketplace.wallet.gateway.signatures import TOLERANCE_SECONDS, sign
from marketplace.wallet.models import TopUp, Transfer
from marketplace.wallet.services import account_of, balance_micros, start_top_up
from tests.builders_gateway import ENDPOINT, body_of, post_webhook
from tests.builders_money import EURO, at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """The endpoint asks the clock."""
    return timezone.now()


@pytest.fixture
def top_up(ben: User, now: datetime) -> TopUp:
    return start_top_up(user=ben, amount_micros=25 * EURO, at=now)


def result() -> tuple[str, str]:
    outcome = EventOutcome.objects.order_by("pk").last()
    assert outcome
    return outcome.result, outcome.code


def nothing_was_written(top_up: TopUp) -> bool:
    top_up.refresh_from_db()
    rows = ProviderEvent.objects.exists() or EventOutcome.objects.exists() or Transfer.objects.exists()
    return top_up.state == "pending" and not rows


def test_a_paid_message_brings_the_money(top_up: TopUp, ben: User, now: datetime) -> None:
    assert post_webhook(body_of(top_up, "payment.paid", now), now).status_code == 200
    assert balance_micros(account_of(ben)) == 25 * EURO
    assert result() == ("booked", "")


def test_the_same_message_again_changes_nothing(top_up: TopUp, ben: User, now: datetime) -> None:
    for _ in range(3):
        assert post_webhook(body_of(top_up, "payment.paid", now), now).status_code == 200
    assert (ProviderEvent.objects.count(), Transfer.objects.count()) == (1, 1)
    assert balance_micros(account_of(ben)) == 25 * EURO


def test_another_message_of_the_same_payment_changes_nothing(top_up: TopUp, ben: User, now: datetime) -> None:
    for _ in range(2):
        post_webhook(body_of(top_up, "payment.paid", now, id=uuid4()), now)
    assert (ProviderEvent.objects.count(), Transfer.objects.count()) == (2, 1)
    assert (balance_micros(account_of(ben)), result()) == (25 * EURO, ("nothing", "paid_before"))


def test_a_declined_message_closes_the_top_up(top_up: TopUp, ben: User, now: datetime) -> None:
    post_webhook(body_of(top_up, "payment.declined", now), now)
    top_up.refresh_from_db()
    assert (top_up.state, balance_micros(account_of(ben)), result()) == ("declined", 0, ("closed", ""))


@pytest.mark.parametrize("first", ["payment.paid", "payment.declined"])
def test_paid_wins_in_any_order(top_up: TopUp, ben: User, now: datetime, first: str) -> None:
    for kind in sorted(["payment.paid", "payment.declined"], key=lambda kind: kind != first):
        post_webhook(body_of(top_up, kind, now), now)
    top_up.refresh_from_db()
    assert (top_up.state, balance_micros(account_of(ben))) == ("paid", 25 * EURO)


@pytest.mark.parametrize("seconds", [-TOLERANCE_SECONDS - 5, TOLERANCE_SECONDS + 5])
def test_refuses_a_signature_of_another_time(top_up: TopUp, now: datetime, seconds: int) -> None:
    answer = post_webhook(body_of(top_up, "payment.paid", now), now + timedelta(seconds=seconds))
    assert (answer.status_code, answer.json()["code"]) == (400, "webhook_signature_refused")
    assert nothing_was_written(top_up)


@pytest.mark.parametrize(
    "signature",
    ["", "t=1", "v1=00", "t=,v1=", "t=x,v1=00", "t=1,t=2,v1=00", "ü", "t=9" + "9" * 40 + ",v1=00"],
)
def test_refuses_a_missing_or_broken_signature(top_up: TopUp, now: datetime, signature: str) -> None:
    answer = post_webhook(body_of(top_up, "payment.paid", now), now, signature=signature)
    assert answer.status_code == 400
    assert nothing_was_written(top_up)


def test_refuses_another_secret_and_another_body(top_up: TopUp, now: datetime) -> None:
    body = body_of(top_up, "payment.paid", now)
    assert post_webhook(body, now, secret="of mallory").status_code == 400
    assert post_webhook(body + b" ", now, signature=sign(body, "of mallory", now)).status_code == 400
    assert nothing_was_written(top_up)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"id": 1}'])
def test_refuses_a_signed_body_that_nobody_can_read(top_up: TopUp, now: datetime, body: bytes) -> None:
    answer = post_webhook(body, now)
    assert (answer.status_code, answer.json()["code"]) == (400, "webhook_unreadable")
    assert nothing_was_written(top_up)


def test_refuses_too_large_a_body(top_up: TopUp, now: datetime) -> None:
    assert post_webhook(b" " * 300_000, now).status_code == 413
    assert nothing_was_written(top_up)


def test_a_provider_that_is_not_connected_is_not_found(
    client: Any, settings: Any, top_up: TopUp, now: datetime
) -> None:
    assert client.post("/api/payments/webhooks/stripe", b"{}", content_type="application/json").status_code == 404
    assert client.post("/api/payments/webhooks/other", b"{}", content_type="application/json").status_code == 404
    assert client.get(ENDPOINT).status_code == 405
    settings.PAYMENT_PROVIDER = "none"
    assert post_webhook(body_of(top_up, "payment.paid", now), now).status_code == 404
    assert nothing_was_written(top_up)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_micros": 24 * EURO}, "amount_differs"),
        ({"amount_micros": 26 * EURO}, "amount_differs"),
        ({"currency": "USD"}, "currency_differs"),
        ({"reference": uuid4()}, "payment_unknown"),
    ],
    ids=["less", "more", "currency", "unknown"],
)
def test_what_does_not_fit_is_an_alarm_and_books_nothing(
    top_up: TopUp, ben: User, now: datetime, changes: dict[str, Any], code: str
) -> None:
    assert post_webhook(body_of(top_up, "payment.paid", now, **changes), now).status_code == 200
    assert (result(), balance_micros(account_of(ben))) == (("alarm", code), 0)
    assert not Transfer.objects.exists()


def test_an_unknown_kind_is_kept_and_answered(top_up: TopUp, now: datetime) -> None:
    assert post_webhook(body_of(top_up, "weather.changed", now), now).status_code == 200
    assert (ProviderEvent.objects.get().type, result()) == ("weather.changed", ("nothing", ""))


@pytest.mark.django_db(transaction=True)
def test_the_same_message_on_many_connections_is_booked_once(top_up: TopUp, ben: User, now: datetime) -> None:
    body = body_of(top_up, "payment.paid", now)
    answers = at_once([partial(post_webhook, body, now)] * 8)
    assert [getattr(answer, "status_code", answer) for answer in answers] == [200] * 8
    assert (ProviderEvent.objects.count(), EventOutcome.objects.count(), Transfer.objects.count()) == (1, 1, 1)
    assert balance_micros(account_of(ben)) == 25 * EURO


@pytest.mark.django_db(transaction=True)
def test_many_messages_of_one_payment_at_once_are_booked_once(top_up: TopUp, ben: User, now: datetime) -> None:
    bodies = [body_of(top_up, "payment.paid", now, id=uuid4()) for _ in range(8)]
    at_once([partial(post_webhook, body, now) for body in bodies])
    assert (EventOutcome.objects.count(), Transfer.objects.count()) == (8, 1)
    assert balance_micros(account_of(ben)) == 25 * EURO
