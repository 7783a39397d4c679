"""Many programs share a token, and each replaces it by itself: none of them fails, and there is one chain.

ROTATION_SECONDS=60 lets it run for as long; `-s` shows what it counted.
"""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from marketplace.access import models
from marketplace.access.models import AccessToken
from marketplace.delivery.models import Read
from tests.builders_delivery import bearer
from tests.delivery.conftest import Bought

SECONDS = float(os.environ.get("ROTATION_SECONDS", "5"))
CLIENTS = 32
# The grace is shorter than the real one, so that in a long run it ends many times over.
ROTATES_EVERY = max(1.5, SECONDS / 10)
GRACE = timedelta(seconds=7.5 * ROTATES_EVERY)


def post(path: str, content: dict[str, str], headers: dict[str, str]) -> Any:
    """Give the connection back after each request, as the web server does."""
    try:
        if content:
            return Client().post(path, content, headers=headers)
        return Client().post(path, "{}", content_type="application/json", headers=headers)
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_no_read_fails_and_there_is_one_chain(bought: Bought, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "ROTATION_GRACE", GRACE)
    start = Barrier(CLIENTS)
    began = time.monotonic()

    def run(_: int) -> Counter[str]:
        text, rotated, counts = bought.text, 0, Counter[str]()
        start.wait(30)
        while (passed := time.monotonic() - began) < SECONDS:
            answer = post(f"{bought.table}/query", {}, bearer(text))
            counts[f"read {answer.status_code}"] += 1
            # Who was slow catches up, one link of the chain after the other.
            while rotated < int(passed / ROTATES_EVERY):
                answer = post("/oauth/rotate", {"token": text}, {})
                counts[f"rotate {answer.status_code}"] += 1
                text, rotated = answer.json()["access_token"], rotated + 1
        return counts

    with ThreadPoolExecutor(CLIENTS) as threads:
        counts = sum(threads.map(run, range(CLIENTS)), Counter[str]())
    tokens = list(AccessToken.objects.order_by("pk"))
    print(f"{CLIENTS} clients, {SECONDS:g} s, grace {GRACE}: {dict(counts)}, {len(tokens)} tokens in one chain")
    assert set(counts) == {"read 200", "rotate 200"}
    assert counts["read 200"] == Read.objects.count()
    assert [token.replaces_id for token in tokens] == [None, *(token.pk for token in tokens[:-1])]
    assert len(tokens) > 1
