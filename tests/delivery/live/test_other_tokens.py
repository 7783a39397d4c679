"""Streams of tokens that are no rows by themselves, passed on or of OAuth clients: each ends with its own token."""

from __future__ import annotations

import time
from datetime import timedelta

from biscuit_auth import Biscuit, BlockBuilder, PublicKey
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken as ShortToken

from marketplace.access.services import delegable_token, delegation_key, issue_client, revoke_token
from tests.builders_delivery import bearer
from tests.delivery.live.conftest import Subscription
from tests.delivery.live.process import LiveServer, Stream, wait_for


def passed_on(subscription: Subscription, seconds: float) -> str:
    mother = delegable_token(token=subscription.token, at=timezone.now())
    biscuit = Biscuit.from_base64(mother.removeprefix("osb_"), PublicKey(delegation_key()))
    until = timezone.now() + timedelta(seconds=seconds)
    return "osb_" + biscuit.append(BlockBuilder("check if time($t), $t < {until}", {"until": until})).to_base64()


def test_a_passed_on_token_ends_at_its_own_time(server: LiveServer, subscription: Subscription) -> None:
    stream = Stream(server, subscription.path, bearer(passed_on(subscription, 4)), "")
    subscription.send(1.0)
    wait_for(lambda: stream.rows, "a row")
    wait_for(stream.has_ended.is_set, "the end", 10)
    assert stream.end_code == "token_expired"


def test_a_passed_on_token_ends_with_its_parent(server: LiveServer, subscription: Subscription) -> None:
    stream = Stream(server, subscription.path, bearer(passed_on(subscription, 3600)), "")
    subscription.send(1.0)
    wait_for(lambda: stream.rows, "a row")
    revoke_token(token=subscription.token, at=timezone.now())
    revoked_at = time.monotonic()
    wait_for(stream.has_ended.is_set, "the end")
    assert (stream.end_code, time.monotonic() - revoked_at < 2) == ("token_revoked", True)


def test_a_clients_token_ends_at_its_own_time(server: LiveServer, subscription: Subscription, client: Client) -> None:
    made = issue_client(purchase=subscription.purchase, at=timezone.now())[1]
    form = {"grant_type": "client_credentials", "client_id": made.client_id, "client_secret": made.secret}
    text = client.post("/oauth/token", form).json()["access_token"]
    stream = Stream(server, subscription.path, bearer(text), "")
    subscription.send(1.0)
    wait_for(lambda: stream.rows, "a row")
    ShortToken.objects.update(expires=timezone.now())
    wait_for(stream.has_ended.is_set, "the end")
    assert stream.end_code == "token_expired"
