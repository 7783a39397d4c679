"""Each difference between what providers told and what was booked is found, and a market in order has none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from marketplace.accounts.models import User
from marketplace.wallet.gateway.models import Chargeback, EventOutcome, Payout, ProviderEvent
from marketplace.wallet.gateway.services import pay_at_test_provider, reconcile
from marketplace.wallet.models import TopUp
from marketplace.wallet.services import account_of, balance_micros, settle_top_up, start_top_up
from tests.builders_gateway import paid_out, say
from tests.builders_money import EURO
from tests.fake_stripe import FakeStripe, event_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def market(sara: User, ben: User, now: datetime) -> dict[str, Payout]:
    """Top-ups, payouts in each state, and a dispute that was won."""
    made = paid_out(sara, ben, now)
    top_up = start_top_up(user=ben, amount_micros=9 * EURO, at=now)
    pay_at_test_provider(top_up=top_up, answer="dispute", order="reversed", at=now)
    say(top_up, "dispute.won", now)
    return made


def titles(at: datetime) -> list[str]:
    return [finding["title"] for finding in reconcile(at=at).findings]


@pytest.mark.usefixtures("market")
def test_a_market_in_order_has_no_differences(now: datetime) -> None:
    look = reconcile(at=now + timedelta(hours=12))
    assert (look.findings, look.finding_count, look.missed_count) == ([], 0, 0)
    assert look.event_count == ProviderEvent.objects.count()


def _alarm(ben: User, now: datetime) -> None:
    say(start_top_up(user=ben, amount_micros=EURO, at=now), "payment.paid", now, amount_micros=2 * EURO)


def _waiting(ben: User, now: datetime) -> None:
    say(start_top_up(user=ben, amount_micros=EURO, at=now), "dispute.opened", now)


def _no_posting(ben: User, now: datetime) -> None:
    event = say(start_top_up(user=ben, amount_micros=EURO, at=now), "weather.changed", now)
    # As if the booking had been lost.
    ProviderEvent.objects.bulk_create(
        [
            ProviderEvent(
                provider="test",
                event_id="lost",
                kind="paid",
                reference=event.reference,
                amount_micros=EURO,
                currency="EUR",
                body_sha256=b"",
                happened_at=now,
                received_at=now,
            )
        ]
    )
    EventOutcome.objects.create(event=ProviderEvent.objects.get(event_id="lost"), result="closed", at=now)


def _no_event(ben: User, now: datetime) -> None:
    settle_top_up(top_up=start_top_up(user=ben, amount_micros=EURO, at=now), outcome="pay", at=now)


def _silent_payout(_: User, now: datetime) -> None:
    Payout.objects.filter(state="sent").update(sent_at=now - timedelta(days=8))


def _paid_by_nobody(_: User, now: datetime) -> None:
    Payout.objects.filter(state="sent").update(state="paid", settled_at=now)


def _other_payout(_: User, now: datetime) -> None:
    Payout.objects.filter(state="sent").update(amount_micros=11 * EURO)


def _other_chargeback(_: User, now: datetime) -> None:
    Chargeback.objects.update(state="lost")


@pytest.mark.parametrize(
    ("breaks", "title"),
    [
        (_alarm, "A message does not fit what we asked for"),
        (_waiting, "A message from which nothing followed for an hour"),
        (_no_posting, "Told that a top-up is paid, and no posting of that amount"),
        (_no_event, "A top-up is booked, and nobody told us that it is paid"),
        (_silent_payout, "A payout is on its way for too long"),
        (_paid_by_nobody, "A payout is paid, and nobody told us so"),
        (_other_payout, "A payout is not what left the earnings, less what came back"),
        (_other_chargeback, "A chargeback is not what left the wallet"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.usefixtures("market")
def test_finds_each_difference(ben: User, now: datetime, breaks: Callable[[User, datetime], None], title: str) -> None:
    breaks(ben, now)
    assert title in titles(now + timedelta(hours=2))


def test_asks_stripe_for_what_never_arrived(stripe_here: FakeStripe, ben: User, now: datetime) -> None:
    top_up: TopUp = start_top_up(user=ben, amount_micros=7 * EURO, at=now)
    session: dict[str, Any] = {
        "id": "cs_1",
        "object": "checkout.session",
        "client_reference_id": str(top_up.public_id),
        "amount_total": 700,
        "currency": "eur",
        "payment_status": "paid",
        "payment_intent": "pi_1",
    }
    stripe_here.made["event"] = event_of("checkout.session.completed", session, now)
    assert [reconcile(at=now).missed_count for _ in range(2)] == [1, 0]
    assert balance_micros(account_of(ben)) == 7 * EURO


def test_a_silent_provider_does_not_stop_the_look(stripe_here: FakeStripe, now: datetime) -> None:
    stripe_here.failures["/v1/events"] = [(500, "down")] * 2
    assert reconcile(at=now).finding_count == 0
