from typing import Any

import pytest
from allauth.core.internal.httpkit import get_client_ip
from django.test import RequestFactory

from marketplace.addresses import client_address


@pytest.mark.parametrize(
    ("count", "forwarded", "expected"),
    [
        (0, None, "10.0.0.9"),
        (0, "198.51.100.7", "10.0.0.9"),
        (1, None, "10.0.0.9"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.66, 198.51.100.7", "198.51.100.7"),
        (2, "203.0.113.66, 198.51.100.7, 10.0.0.8", "198.51.100.7"),
        (1, "203.0.113.66,2001:db8::7", "2001:db8::7"),
    ],
)
def test_only_our_own_proxies_are_believed(
    rf: RequestFactory, settings: Any, count: int, forwarded: str | None, expected: str
) -> None:
    settings.TRUSTED_PROXIES = settings.ALLAUTH_TRUSTED_PROXY_COUNT = count
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = rf.get("/", headers=headers, REMOTE_ADDR="10.0.0.9")

    assert client_address(request) == expected
    # The log-in pages count by allauth's answer: both must be the same.
    assert get_client_ip(request) == expected


@pytest.mark.parametrize("forwarded", ["", "198.51.100.7"])
def test_a_list_that_is_too_short_counts_for_nothing(rf: RequestFactory, settings: Any, forwarded: str) -> None:
    settings.TRUSTED_PROXIES = 2
    request = rf.get("/", headers={"X-Forwarded-For": forwarded}, REMOTE_ADDR="10.0.0.9")
    assert client_address(request) == "10.0.0.9"
