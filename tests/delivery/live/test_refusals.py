"""Who gets no stream, and what ends one. Nothing is counted that was not delivered."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from marketplace.access.models import AccessToken
from marketplace.access.services import issue_token, revoke_token
from marketplace.accounts.models import User
from marketplace.delivery.live.links import sign_live_link
from marketplace.delivery.models import Read
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.services import (
    refund_on_request,
    withdraw_consent_with_refunds,
    withdraw_listing_with_refunds,
)
from tests.builders_delivery import FREE, bearer
from tests.builders_money import EURO
from tests.delivery.live.conftest import Subscription, subscribe
from tests.delivery.live.process import LiveServer, Stream, wait_for

CUT_WITHIN_SECONDS = 2.0


def withdraw_consent(subscription: Subscription) -> None:
    withdraw_consent_with_refunds(consent=subscription.listing.consent, at=timezone.now())


def withdraw_listing(subscription: Subscription) -> None:
    withdraw_listing_with_refunds(listing=subscription.listing, at=timezone.now())


def revoke(subscription: Subscription) -> None:
    revoke_token(token=subscription.token, at=timezone.now())


def expire(subscription: Subscription) -> None:
    AccessToken.objects.filter(pk=subscription.token.pk).update(expires_at=timezone.now())


def give_back(subscription: Subscription) -> None:
    # As if nothing had been loaded: the stream's own start of the clock would refuse it.
    subscription.purchase.clock_started_at = None
    type(subscription.purchase).objects.filter(pk=subscription.purchase.pk).update(clock_started_at=None)
    refund_on_request(purchase=subscription.purchase, at=timezone.now())


def close_account(subscription: Subscription) -> None:
    User.objects.filter(pk=subscription.purchase.buyer_id).update(is_active=False)


ENDS = [
    (withdraw_consent, "consent_withdrawn"),
    (withdraw_listing, "listing_withdrawn"),
    (revoke, "token_revoked"),
    (expire, "token_expired"),
    (give_back, "purchase_refunded"),
    (close_account, "account_closed"),
]


@pytest.mark.parametrize(("end", "code"), ENDS, ids=[code for _, code in ENDS])
def test_ends_within_two_seconds_and_says_why(
    server: LiveServer, subscription: Subscription, end: Callable[[Subscription], None], code: str
) -> None:
    stream = subscription.open(server)
    subscription.send(1.0, 2.0)
    wait_for(lambda: stream.rows, "a row")
    end(subscription)
    started_at = time.monotonic()
    wait_for(stream.has_ended.is_set, "the end")
    assert time.monotonic() - started_at < CUT_WITHIN_SECONDS
    assert stream.end_code == code
    subscription.send(3.0)
    time.sleep(0.3)
    assert sum(Read.objects.values_list("row_count", flat=True)) == len(stream.rows) == 2
    answer = server.get(subscription.path, bearer(subscription.text))
    assert (answer.status, answer.code) == (401 if code.startswith("token") else 403, code)


def test_a_withdrawal_cuts_all_streams_in_the_midst_of_uploads_with_an_exact_meter(
    server: LiveServer, subscription: Subscription
) -> None:
    streams = [subscription.open(server) for _ in range(5)]
    for number in range(30):
        subscription.send(float(number))
        if number == 20:
            withdraw_consent(subscription)
            withdrawn_at = time.monotonic()
    for stream in streams:
        wait_for(stream.has_ended.is_set, "the end")
        assert stream.end_code == "consent_withdrawn"
        assert stream.events[-1].at - withdrawn_at < CUT_WITHIN_SECONDS
    delivered = sum(len(stream.rows) for stream in streams)
    assert sum(Read.objects.values_list("row_count", flat=True)) == delivered


def test_turns_away_who_may_not(server: LiveServer, subscription: Subscription, sara: User, mallory: User) -> None:
    own, at = subscription.text, timezone.now()
    stranger = subscribe(sara, mallory)
    foreign = bearer(stranger.text)
    expectations = [
        ({}, 401, "token_missing"),
        ({"Authorization": "Basic abc"}, 401, "token_missing"),
        (bearer(own[:-1]), 401, "token_unknown"),
        (bearer(own + "A"), 401, "token_unknown"),
        (bearer("osm_" + "A" * 43), 401, "token_unknown"),
        (foreign, 404, "RESOURCE_DOES_NOT_EXIST"),
    ]
    for headers, status, code in expectations:
        answer = server.get(subscription.path, headers)
        assert (answer.status, answer.code) == (status, code), headers
        assert ("www-authenticate" in {name.lower() for name in answer.headers}) == (status == 401)
    # A purchase that is not there is answered like one that is not his.
    missing = server.get("/live/00000000-0000-4000-8000-000000000000/readings", foreign)
    assert (missing.status, missing.body) == (404, server.get(subscription.path, foreign).body)
    assert server.get("/live/readings", foreign).status == 404
    assert server.get(subscription.path, bearer(own), method="POST").status == 405
    second = issue_token(purchase=subscription.purchase, at=at)[0]
    links = [
        (sign_live_link(token_id=second.public_id, purchase_id=stranger.purchase.public_id), "link_invalid"),
        (sign_live_link(token_id=second.public_id, purchase_id=subscription.purchase.public_id) + "x", "link_invalid"),
    ]
    for link, code in links:
        answer = server.get(f"{subscription.path}?link={link}")
        assert (answer.status, answer.code) == (403, code)
    assert not Read.objects.exists()


def test_a_link_opens_the_stream_and_ends_with_its_token(server: LiveServer, subscription: Subscription) -> None:
    link = sign_live_link(token_id=subscription.token.public_id, purchase_id=subscription.purchase.public_id)
    stream = Stream(server, f"{subscription.path}?link={link}", {})
    subscription.send(5.5)
    wait_for(lambda: stream.rows, "a row")
    revoke(subscription)
    wait_for(stream.has_ended.is_set, "the end")
    assert stream.end_code == "token_revoked"


def test_a_token_has_twenty_streams(server: LiveServer, subscription: Subscription) -> None:
    streams = [subscription.open(server) for _ in range(20)]
    answer = server.get(subscription.path, bearer(subscription.text))
    assert (answer.status, answer.code) == (429, "too_many_streams")
    streams[0].close()
    wait_for(lambda: not streams[0].thread.is_alive(), "the end")
    time.sleep(0.2)
    assert subscription.open(server).answer.status == 200


def test_a_trial_ends_with_its_rows(server: LiveServer, sara: User, ben: User) -> None:
    trial = subscribe(sara, ben, PlanTerms("trial", trial_rows=100))
    stream = trial.open(server)
    early = timezone.now() - timedelta(days=3)
    trial.send(1.0, 2.0, at=early)
    wait_for(lambda: len(stream.rows) == 2, "two late rows")
    trial.send(*[float(number) for number in range(99)], at=early - timedelta(hours=1))
    wait_for(stream.has_ended.is_set, "the end")
    assert stream.end_code == "trial_used_up"
    assert [read.row_count for read in Read.objects.all()] == [2]


def test_use_that_the_wallet_does_not_cover_ends_the_stream(server: LiveServer, sara: User, ben: User) -> None:
    metered = subscribe(sara, ben, PlanTerms("metered", micros_per_1000_rows=15 * EURO))
    stream = metered.open(server)
    many = [float(number) for number in range(600)]
    metered.send(*many)
    wait_for(lambda: len(stream.rows) == 600, "rows")
    metered.send(*many)
    wait_for(stream.has_ended.is_set, "the end")
    assert stream.end_code == "usage_not_covered"
    assert [read.row_count for read in Read.objects.all()] == [600]


def test_what_is_outside_the_window_is_not_sent(server: LiveServer, sara: User, ben: User) -> None:
    history = subscribe(sara, ben, FREE)
    stream = history.open(server)
    history.send(1.0)
    early = timezone.now() - timedelta(hours=2)
    history.sender.send([(early, "air_temperature", 7.25)], timezone.now())
    wait_for(lambda: stream.rows, "the late reading")
    assert [row["air_temperature"] for row in stream.rows] == [7.25]
