"""The token check, which every request pays for: one of each kind, without a cache that could outlive a withdrawal."""

import time
from collections.abc import Iterator
from datetime import timedelta

from biscuit_auth import Biscuit, BlockBuilder, PublicKey
from django.utils import timezone
from oauth2_provider.models import AccessToken as ShortToken
from oauth2_provider.models import set_token_value

from bench.rows import Row, percentile_95
from marketplace.access.oauth_tokens import SHORT_PREFIX
from marketplace.access.services import (
    Narrowing,
    authorise,
    delegable_token,
    delegation_key,
    issue_client,
    issue_token,
    read_networks,
)
from marketplace.accounts.models import User
from tests.builders_delivery import buy_token, make_stocked_listing

CHECKS = 1_000
GOAL_SECONDS = 0.002


def run() -> Iterator[Row]:
    for name, text in make_tokens().items():
        seconds = []
        for _ in range(CHECKS):
            started = time.perf_counter()
            authorise(token=text, at=timezone.now(), address="192.0.2.1")
            seconds.append(time.perf_counter() - started)
        found = percentile_95(seconds)
        yield Row(f"token check, {name}", GOAL_SECONDS / found, 1.0, f"p95 {found * 1000:.2f} ms, at most 2")


def make_tokens() -> dict[str, str]:
    """By what kind of token it is, its text."""
    sara, ben = (User.objects.create_user(f"{name}-of-tokens@example.test") for name in ("sara", "ben"))
    at = timezone.now()
    _, listing = make_stocked_listing(sara, at)
    token, plain = buy_token(listing, ben, at)
    limits = Narrowing(fields=("air_temperature",), row_cap=10**9, networks=read_networks(["192.0.2.0/24"]))
    _, narrow = issue_token(purchase=token.purchase, at=at, narrowing=limits)
    client, _ = issue_client(purchase=token.purchase, at=at)
    short, given = ShortToken(application=client.application, expires=at + timedelta(hours=1)), SHORT_PREFIX + "bench"
    set_token_value(short, given)
    short.save()
    mother = delegable_token(token=token, at=at)
    biscuit = Biscuit.from_base64(mother.removeprefix("osb_"), PublicKey(delegation_key()))
    passed_on = "osb_" + biscuit.append(BlockBuilder("check if rows($n), $n <= 1000000")).to_base64()
    return {"plain": plain, "narrowed": narrow, "of an OAuth client": given, "passed on": passed_on}
