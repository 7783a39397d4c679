"""No webhook leads into our own network, whatever its address says."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from marketplace.accounts.models import User
from marketplace.notices.delivering import serve_next_endpoint
from marketplace.notices.errors import WebhookUrlRefused
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import WebhookAttempt, WebhookEndpoint
from marketplace.notices.sending import send
from marketplace.notices.services import add_webhook, send_test_webhook
from marketplace.notices.targets import TargetRefused, is_public, parse_target
from tests.notices.receiver import Receiver, receiver

PRIVATE = [
    *("127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fe80::1%eth0"),
    *("fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    *("2001::1", "2001:db8::1", "192.0.0.192", "192.88.99.1", "fec0::1", "nonsense", ""),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_no_such_address_is_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_these_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.org/", "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest"),
        *("https://localhost/", "https://db.internal/", "https://example.org:0/", "https://example.org:99999/"),
        *("https://exa mple.org/", "https://example.org/\r\nX: y", "https://ex\u00e4mple.org/", "file:///etc/passwd"),
    ],
)
def test_refuses_such_an_address_when_it_is_given(url: str) -> None:
    with pytest.raises(TargetRefused):
        parse_target(url, is_local_allowed=False)


def test_takes_https_with_a_port_and_a_query() -> None:
    assert parse_target("https://hooks.example.org:8443/a?b=c", is_local_allowed=False).port == 8443


@pytest.fixture
def guarded(settings: Any) -> Iterator[Receiver]:
    settings.WEBHOOKS_MAY_STAY_LOCAL = False
    with receiver() as program:
        yield program


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1"])
def test_connects_to_no_private_address_however_it_is_written(guarded: Receiver, host: str) -> None:
    port = guarded.url.split(":")[2].split("/")[0]
    answer = send(f"https://{host}:{port}/", {}, b"{}")
    assert (answer.status, guarded.taken) == (0, [])
    assert "public internet" in answer.reason


def test_a_name_that_leads_inside_by_the_time_of_delivery_is_not_followed(
    guarded: Receiver, settings: Any, db: None, sara: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name was fine when it was given; whoever owns it lets it lead to our loopback address afterwards."""
    settings.WEBHOOKS_MAY_STAY_LOCAL = True
    port = guarded.url.split(":")[2].split("/")[0]
    endpoint, _ = add_webhook(user=sara, url=f"https://localhost:{port}/", kinds=[NoticeKind.SALE], at=now)
    settings.WEBHOOKS_MAY_STAY_LOCAL = False
    send_test_webhook(endpoint=endpoint, at=now)
    assert serve_next_endpoint(at=now)
    assert guarded.taken == []
    assert "public internet" in WebhookAttempt.objects.get().reason


def test_outside_the_embedded_run_no_local_address_is_taken(
    guarded: Receiver, db: None, sara: User, now: datetime
) -> None:
    for url in (guarded.url, guarded.url.replace("http:", "https:")):
        with pytest.raises(WebhookUrlRefused):
            add_webhook(user=sara, url=url, kinds=[NoticeKind.SALE], at=now)
    assert not WebhookEndpoint.objects.exists()


@pytest.mark.parametrize("host", ["a..example", ".example", f"{'a' * 64}.example"])
def test_a_name_that_cannot_be_looked_up_is_refused(host):
    with pytest.raises(TargetRefused):
        parse_target(f"https://{host}/", is_local_allowed=False)
