"""Stripe, by its own library against a stand-in: what we ask of it, and what follows from what it says."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import stripe
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.purchases.services import take_back_top_up
from marketplace.wallet.gateway.errors import GatewayUnreachable, SignatureRefused
from marketplace.wallet.gateway.models import CardRefund, Chargeback, EventOutcome, Payee, Payout, ProviderEvent
from marketplace.wallet.gateway.receiving import keep_missed_events
from marketplace.wallet.gateway.services import (
    open_checkout,
    open_payee,
    request_payout,
    send_card_refunds,
    send_payouts,
)
from marketplace.wallet.gateway.signatures import check_signature, sign
from marketplace.wallet.models import Account, TopUp, Transfer
from marketplace.wallet.services import account_of, balance_micros, market_account, post_transfer, start_top_up
from tests.builders_money import EURO, at_once
from tests.fake_stripe import FakeStripe, event_of, post_event

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """The endpoint asks the clock."""
    return timezone.now()


@pytest.fixture
def top_up(stripe_here: FakeStripe, ben: User, now: datetime) -> TopUp:
    return start_top_up(user=ben, amount_micros=12_400_000, at=now)


@pytest.fixture
def session(top_up: TopUp, stripe_here: FakeStripe) -> dict[str, Any]:
    open_checkout(top_up=top_up, return_address="http://market.example/back")
    return stripe_here.of("checkout.session")[0]


@pytest.fixture
def payout(stripe_here: FakeStripe, sara: User, now: datetime) -> Payout:
    """Sara earned thirty euros, and asks for twenty."""
    postings = [(market_account("provider"), -30 * EURO), (account_of(sara, Account.Kind.PAYABLE), 30 * EURO)]
    post_transfer(idempotency_key=uuid4(), kind=Transfer.Kind.RELEASE, postings=postings, reference=None, at=now)
    open_payee(user=sara, return_address="http://market.example/back", at=now)
    return request_payout(user=sara, amount_micros=20 * EURO, idempotency_key=uuid4(), at=now)


def completed(session: dict[str, Any], now: datetime, **changes: Any) -> dict[str, Any]:
    return event_of("checkout.session.completed", session | {"payment_status": "paid"} | changes, now)


def codes() -> list[tuple[str, str]]:
    return [(outcome.result, outcome.code) for outcome in EventOutcome.objects.order_by("pk")]


def earned(user: User) -> int:
    return balance_micros(account_of(user, Account.Kind.PAYABLE))


def test_our_signatures_are_those_of_stripes_library(now: datetime) -> None:
    body = b'{"id": "evt_1"}'
    assert stripe.WebhookSignature.verify_header(body.decode(), sign(body, "whsec_a", now), "whsec_a", 300)
    check_signature(body, f"{sign(body, 'whsec_b', now)},v0=00", ["whsec_a", "whsec_b"], now)
    with pytest.raises(SignatureRefused):
        check_signature(body, sign(body, "whsec_c", now), ["whsec_a", "whsec_b", ""], now)
    with pytest.raises(SignatureRefused):
        check_signature(body, sign(body, "", now), [""], now)


def test_a_checkout_asks_for_cents_and_is_the_same_again(
    session: dict[str, Any], top_up: TopUp, stripe_here: FakeStripe
) -> None:
    assert (session["amount_total"], session["currency"]) == (1240, "eur")
    assert session["client_reference_id"] == str(top_up.public_id)
    assert open_checkout(top_up=top_up, return_address="http://market.example/back") == session["url"]
    assert len(stripe_here.of("checkout.session")) == 1


def test_only_paid_brings_money(session: dict[str, Any], ben: User, now: datetime) -> None:
    assert post_event(completed(session, now, payment_status="unpaid"), now).status_code == 200
    assert balance_micros(account_of(ben)) == 0
    event = event_of("checkout.session.async_payment_succeeded", session, now)
    for _ in range(2):
        assert post_event(event, now).status_code == 200
    assert balance_micros(account_of(ben)) == 12_400_000
    assert codes() == [("nothing", ""), ("booked", "")]


def test_in_any_order_and_any_number_of_times(session: dict[str, Any], ben: User, now: datetime) -> None:
    events = [
        event_of("checkout.session.expired", session, now),
        completed(session, now),
        event_of("checkout.session.async_payment_succeeded", session, now),
        event_of("charge.succeeded", {"id": "ch_1", "amount": 1240}, now),
    ]
    for event in [*events, *reversed(events)]:
        assert post_event(event, now).status_code == 200
    assert (ProviderEvent.objects.count(), balance_micros(account_of(ben))) == (4, 12_400_000)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount_total": 1239}, "amount_differs"),
        ({"amount_total": None}, "amount_differs"),
        ({"amount_total": 1240.0}, "amount_differs"),
        ({"amount_total": True}, "amount_differs"),
        ({"currency": "usd"}, "currency_differs"),
        ({"client_reference_id": str(uuid4())}, "payment_unknown"),
        ({"client_reference_id": "x", "metadata": {}}, "payment_unknown"),
    ],
    ids=["less", "none", "float", "bool", "currency", "unknown", "unreadable"],
)
def test_what_does_not_fit_is_an_alarm(
    session: dict[str, Any], ben: User, now: datetime, changes: dict[str, Any], code: str
) -> None:
    assert post_event(completed(session, now, **changes), now).status_code == 200
    assert (codes(), balance_micros(account_of(ben))) == ([("alarm", code)], 0)


def test_a_sellers_own_account_cannot_pay_for_a_top_up(session: dict[str, Any], ben: User, now: datetime) -> None:
    post_event(completed(session, now) | {"account": "acct_of_mallory"}, now)
    assert (codes(), balance_micros(account_of(ben))) == ([("nothing", "")], 0)


def test_refuses_another_secret(session: dict[str, Any], now: datetime) -> None:
    assert post_event(completed(session, now), now, secret="whsec_of_mallory").status_code == 400
    assert not ProviderEvent.objects.exists()


def test_nothing_of_a_person_is_kept(session: dict[str, Any], now: datetime) -> None:
    post_event(completed(session, now), now)
    row = ProviderEvent.objects.values().get()
    assert "ben@example.test" not in str(row)


def test_a_silent_stripe_is_a_refusal_to_try_again(top_up: TopUp, stripe_here: FakeStripe) -> None:
    stripe_here.failures["/v1/checkout/sessions"] = [(500, "down")] * 2
    with pytest.raises(GatewayUnreachable):
        open_checkout(top_up=top_up, return_address="http://market.example/back")
    assert open_checkout(top_up=top_up, return_address="http://market.example/back")


def test_a_seller_is_asked_who_he_is(stripe_here: FakeStripe, sara: User, now: datetime) -> None:
    stripe_here.payouts_enabled = False
    for _ in range(2):
        address = open_payee(user=sara, return_address="http://market.example/back", at=now)
        assert address == f"{stripe_here.address}/onboarding/{Payee.objects.get().account_id}"
    assert len(stripe_here.of("account")) == 1
    stripe_here.payouts_enabled = True
    assert open_payee(user=sara, return_address="http://market.example/back", at=now) is None


def test_a_payout_goes_by_way_of_the_sellers_account(
    payout: Payout, stripe_here: FakeStripe, sara: User, now: datetime
) -> None:
    assert send_payouts(at=now) == 1
    (transfer,), (made,) = stripe_here.of("transfer"), stripe_here.of("payout")
    assert (transfer["amount"], transfer["destination"], made["amount"]) == (2000, payout.account_id, 2000)
    event = event_of("payout.paid", made, now, account=payout.account_id)
    for _ in range(2):
        post_event(event, now)
    payout.refresh_from_db()
    assert (payout.state, payout.object_id, earned(sara)) == ("paid", made["id"], 10 * EURO)


def test_what_the_bank_refuses_is_taken_back_first(
    payout: Payout, stripe_here: FakeStripe, sara: User, now: datetime
) -> None:
    send_payouts(at=now)
    stripe_here.failures[f"/v1/transfers/{stripe_here.of('transfer')[0]['id']}/reversals"] = [(500, "down")] * 2
    event = event_of("payout.failed", stripe_here.of("payout")[0], now, account=payout.account_id)
    post_event(event, now)
    later = timezone.now()
    send_payouts(at=later)
    assert earned(sara) == 10 * EURO
    Payout.objects.update(next_try_at=later)
    send_payouts(at=later)
    payout.refresh_from_db()
    assert (stripe_here.of("transfer")[0]["reversed"], payout.is_coming_back, earned(sara)) == (True, False, 30 * EURO)


@pytest.mark.parametrize("path", ["/v1/transfers", "/v1/payouts"])
def test_an_answer_that_is_lost_pays_no_second_time(
    payout: Payout, stripe_here: FakeStripe, sara: User, now: datetime, path: str
) -> None:
    stripe_here.loses.add(path)
    assert send_payouts(at=now) == 0
    stripe_here.loses.clear()
    # Stripe forgets the keys after a day.
    stripe_here.made = {f"forgotten {key}": one for key, one in stripe_here.made.items()}
    Payout.objects.update(next_try_at=now)
    assert send_payouts(at=now) == 1
    assert (len(stripe_here.of("transfer")), len(stripe_here.of("payout"))) == (1, 1)
    assert earned(sara) == 10 * EURO


@pytest.mark.parametrize("path", ["/v1/transfers", "/v1/payouts"])
def test_what_stripe_refuses_comes_back(
    payout: Payout, stripe_here: FakeStripe, sara: User, now: datetime, path: str
) -> None:
    stripe_here.failures[path] = [(400, "balance_insufficient")]
    assert send_payouts(at=now) == 1
    payout.refresh_from_db()
    assert (payout.state, payout.failure_code, earned(sara)) == ("failed", "balance_insufficient", 30 * EURO)
    assert all(transfer["reversed"] for transfer in stripe_here.of("transfer"))


def test_what_a_seller_pays_out_himself_is_not_ours(stripe_here: FakeStripe, now: datetime) -> None:
    about = {"id": "po_own", "object": "payout", "amount": 100, "currency": "eur", "metadata": {}}
    post_event(event_of("payout.paid", about, now, account="acct_1"), now)
    assert codes() == [("nothing", "")]


@pytest.mark.django_db(transaction=True)
def test_the_same_event_on_many_connections_is_booked_once(session: dict[str, Any], ben: User, now: datetime) -> None:
    answers = at_once([partial(post_event, completed(session, now), now)] * 8)
    assert [getattr(answer, "status_code", answer) for answer in answers] == [200] * 8
    assert (EventOutcome.objects.count(), balance_micros(account_of(ben))) == (1, 12_400_000)


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_one_payout(payout: Payout, stripe_here: FakeStripe, sara: User, now: datetime) -> None:
    at_once([partial(send_payouts, at=now)] * 4)
    assert (len(stripe_here.of("transfer")), len(stripe_here.of("payout")), earned(sara)) == (1, 1, 10 * EURO)


@pytest.fixture
def refund(session: dict[str, Any], top_up: TopUp, now: datetime) -> CardRefund:
    """Ben takes ten of his 12.40 euros back."""
    post_event(completed(session, now), now)
    return take_back_top_up(top_up=top_up, amount_micros=10 * EURO, idempotency_key=uuid4(), at=now)


def test_a_refund_names_its_payment_and_is_paid_when_stripe_says_so(
    refund: CardRefund, session: dict[str, Any], stripe_here: FakeStripe, ben: User, now: datetime
) -> None:
    assert send_card_refunds(at=now) == 1
    (made,) = stripe_here.of("refund")
    assert (made["amount"], made["payment_intent"]) == (1000, session["payment_intent"])
    post_event(event_of("refund.created", made, now), now)
    refund.refresh_from_db()
    assert (refund.state, refund.object_id) == ("sent", made["id"])
    paid = event_of("refund.updated", made | {"status": "succeeded"}, now)
    for _ in range(2):
        post_event(paid, now)
    refund.refresh_from_db()
    assert (refund.state, balance_micros(account_of(ben)), Chargeback.objects.count()) == ("paid", 2_400_000, 0)


@pytest.mark.parametrize("kind", ["refund.failed", "refund.updated"])
def test_a_refund_that_fails_is_in_the_wallet_again(
    refund: CardRefund, stripe_here: FakeStripe, ben: User, now: datetime, kind: str
) -> None:
    send_card_refunds(at=now)
    post_event(event_of(kind, stripe_here.of("refund")[0] | {"status": "failed"}, now), now)
    refund.refresh_from_db()
    assert (refund.state, balance_micros(account_of(ben))) == ("failed", 12_400_000)


def test_an_answer_that_is_lost_refunds_no_second_time(
    refund: CardRefund, stripe_here: FakeStripe, ben: User, now: datetime
) -> None:
    stripe_here.loses.add("/v1/refunds")
    assert send_card_refunds(at=now) == 0
    stripe_here.loses.clear()
    # Stripe forgets the keys after a day.
    stripe_here.made = {f"forgotten {key}": one for key, one in stripe_here.made.items()}
    CardRefund.objects.update(next_try_at=now)
    assert send_card_refunds(at=now) == 1
    refund.refresh_from_db()
    assert (refund.state, len(stripe_here.of("refund")), balance_micros(account_of(ben))) == ("sent", 1, 2_400_000)


def test_a_refund_that_stripe_refuses_is_in_the_wallet_again(
    refund: CardRefund, stripe_here: FakeStripe, ben: User, now: datetime
) -> None:
    stripe_here.failures["/v1/refunds"] = [(400, "charge_disputed")]
    send_card_refunds(at=now)
    refund.refresh_from_db()
    assert (refund.state, refund.failure_code) == ("failed", "charge_disputed")
    assert balance_micros(account_of(ben)) == 12_400_000


def test_a_refund_made_at_stripe_that_fails_gives_back_what_it_took(
    session: dict[str, Any], ben: User, now: datetime
) -> None:
    post_event(completed(session, now), now)
    about = {"id": "re_1", "object": "refund", "amount": 400, "currency": "eur"}
    about |= {"payment_intent": session["payment_intent"], "status": "succeeded"}
    post_event(event_of("refund.created", about, now), now)
    assert balance_micros(account_of(ben)) == 8_400_000
    for name in ("re_1", "re_2"):
        post_event(event_of("refund.failed", about | {"id": name, "status": "failed"}, now), now)
    assert (balance_micros(account_of(ben)), codes()[-1]) == (12_400_000, ("nothing", "refund_unknown"))


@pytest.mark.django_db(transaction=True)
def test_many_workers_send_one_refund(refund: CardRefund, stripe_here: FakeStripe, ben: User, now: datetime) -> None:
    at_once([partial(send_card_refunds, at=now)] * 4)
    assert (len(stripe_here.of("refund")), balance_micros(account_of(ben))) == (1, 2_400_000)


def test_what_was_missed_is_followed_in_the_order_in_which_it_happened(stripe_here: FakeStripe, ben: User) -> None:
    """Stripe lists its events newest first."""
    at = timezone.now()
    top_up = start_top_up(user=ben, amount_micros=25 * EURO, at=at)
    open_checkout(top_up=top_up, return_address="http://market.example/")
    session = stripe_here.of("checkout.session")[0] | {"payment_status": "paid"}
    made = {"id": "re_x", "object": "refund", "amount": 2500, "currency": "eur", "metadata": {}}
    made["payment_intent"] = session["payment_intent"]
    stripe_here.made |= {
        "3": event_of("refund.failed", made | {"status": "failed"}, at + timedelta(seconds=9)),
        "2": event_of("refund.created", made | {"status": "succeeded"}, at + timedelta(seconds=5)),
        "1": event_of("checkout.session.completed", session, at),
    }
    assert keep_missed_events(provider="stripe", since=at - timedelta(hours=1), at=at + timedelta(minutes=1)) == 3
    assert balance_micros(account_of(ben)) == 25 * EURO
    assert list(Chargeback.objects.values_list("state", flat=True)) == ["won"]


def test_the_way_to_pay_is_the_same_from_wherever_one_comes(stripe_here: FakeStripe, client: Client, ben: User) -> None:
    at = timezone.now()
    top_up = start_top_up(user=ben, amount_micros=25 * EURO, at=at)
    client.force_login(ben)
    page = reverse("top_up_page", args=[top_up.public_id])
    ways = [
        client.get(page + query).context["checkout_address"] for query in ("?next=/consents/", "", "?next=/wallet/")
    ]
    assert len(set(ways)) == 1
    (session,) = stripe_here.of("checkout.session")
    back = client.get(session["success_url"].removeprefix("http://testserver"))
    assert (back.status_code, back.context["next"]) == (200, "/wallet/")
