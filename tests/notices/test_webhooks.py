"""Webhooks against a real program: signed, in order, again after a failure, replayed, and switched off in the end."""

import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone
from standardwebhooks import Webhook, WebhookVerificationError

from marketplace.accounts.models import User
from marketplace.accounts.services import blank_account
from marketplace.notices import delivering, sending
from marketplace.notices.delivering import (
    DISABLED_AFTER,
    KEPT,
    RETRY_AFTER,
    count_waiting_endpoints,
    forget_deliveries,
    serve_next_endpoint,
)
from marketplace.notices.dispatching import dispatch_notices
from marketplace.notices.errors import KindsMissing, TooManyWebhooks, WebhookOff, WebhookUrlRefused
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import Notice, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from marketplace.notices.services import (
    add_webhook,
    change_webhook,
    delete_webhook,
    enable_webhook,
    replay_delivery,
    rotate_webhook_secret,
    send_test_webhook,
)
from tests.builders_money import at_once
from tests.builders_notices import facts_of, tell
from tests.notices.receiver import Receiver, receiver

pytestmark = pytest.mark.django_db
SALE, EXPIRY = NoticeKind.SALE, NoticeKind.EXPIRY


@pytest.fixture
def program() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def moment() -> datetime:
    """Verifiers refuse times that are five minutes off."""
    return timezone.now()


@pytest.fixture
def secret(sara: User, program: Receiver, moment: datetime) -> str:
    return add_webhook(user=sara, url=program.url, kinds=[SALE], at=moment)[1]


def deliver(at: datetime) -> None:
    dispatch_notices(at=at)
    while serve_next_endpoint(at=at):
        pass


def the_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.get()


def test_a_program_verifies_what_it_is_told(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    notice = tell(sara, SALE, moment, title="Über “uns”")
    deliver(moment)
    [told] = program.verified(secret)
    assert told["type"] == "sale"
    assert datetime.fromisoformat(told["timestamp"]) == moment
    assert told["data"] == {"notice": str(notice.public_id), **facts_of(SALE, title="Über “uns”")}
    headers, body = program.taken[0]
    assert (headers["webhook-id"], headers["content-type"]) == (f"msg_{notice.public_id.hex}", "application/json")
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body, headers | {"webhook-id": "msg_other"})
    delivery = the_delivery()
    assert (delivery.state, delivery.attempt_count, delivery.delivered_at) == ("delivered", 1, moment)
    assert list(delivery.attempts.values_list("status_code", "reason")) == [(204, "")]


def test_tells_in_order_and_only_the_chosen_kinds_of_ones_own(
    sara: User, ben: User, program: Receiver, secret: str, moment: datetime
) -> None:
    own = [tell(sara, SALE, moment, price_micros=number) for number in range(5)]
    tell(sara, EXPIRY, moment)
    tell(ben, SALE, moment)
    tell(sara, SALE, moment - timedelta(days=8))
    for _ in range(2):
        deliver(moment)
    assert program.ids() == [f"msg_{notice.public_id.hex}" for notice in own]


def test_a_failure_is_tried_again_with_the_same_id_and_growing_rests(
    sara: User, program: Receiver, secret: str, moment: datetime
) -> None:
    tell(sara, SALE, moment)
    program.statuses = [500] * len(RETRY_AFTER) + [503]
    at = moment
    dispatch_notices(at=at)
    for rest in RETRY_AFTER:
        assert serve_next_endpoint(at=at)
        delivery = the_delivery()
        assert delivery.due_at is not None
        assert rest * 0.8 <= delivery.due_at - at <= rest * 1.2
        assert not serve_next_endpoint(at=delivery.due_at - timedelta(seconds=1))
        at = delivery.due_at
    assert at - moment > timedelta(days=2)
    assert serve_next_endpoint(at=at)
    delivery = the_delivery()
    assert (delivery.state, delivery.due_at, delivery.attempt_count) == ("failed", None, 10)
    assert len(set(program.ids())) == 1
    assert len({body for _, body in program.taken}) == 1
    assert len({headers["webhook-timestamp"] for headers, _ in program.taken}) == 10
    assert WebhookAttempt.objects.count() == 10


def test_a_success_after_a_failure_forgets_the_failing(
    sara: User, program: Receiver, secret: str, moment: datetime
) -> None:
    program.statuses = [500]
    tell(sara, SALE, moment)
    deliver(moment)
    assert WebhookEndpoint.objects.get().failing_since == moment
    deliver(moment + timedelta(seconds=7))
    assert WebhookEndpoint.objects.get().failing_since is None
    assert the_delivery().state == "delivered"


def test_replaying_sends_the_same_again(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    tell(sara, SALE, moment)
    deliver(moment)
    replay_delivery(delivery=the_delivery(), at=moment)
    deliver(moment)
    assert program.taken[0][1] == program.taken[1][1]
    assert len(set(program.ids())) == 1
    assert the_delivery().attempts.count() == 2


def test_a_test_is_sent_and_signed(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    endpoint = WebhookEndpoint.objects.get()
    send_test_webhook(endpoint=endpoint, at=moment)
    deliver(moment)
    [told] = program.verified(secret)
    assert (told["type"], told["data"]) == ("test", {"webhook": str(endpoint.public_id)})


def test_both_secrets_sign_for_a_day(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    endpoint, fresh = rotate_webhook_secret(endpoint=WebhookEndpoint.objects.get(), at=moment - timedelta(hours=23))
    assert fresh != secret
    for at in (moment, moment + timedelta(hours=1)):
        send_test_webhook(endpoint=endpoint, at=at)
        deliver(at)
    during, after = program.taken
    assert Webhook(secret).verify(during[1], during[0]) == Webhook(fresh).verify(during[1], during[0])
    assert len(during[0]["webhook-signature"].split()) == 2
    assert len(after[0]["webhook-signature"].split()) == 1


def test_the_secret_is_not_in_the_database_as_it_is(sara: User, secret: str, settings: Any, moment: datetime) -> None:
    endpoint = WebhookEndpoint.objects.get()
    assert secret.removeprefix("whsec_") not in str(WebhookEndpoint.objects.values())
    settings.SECRET_KEY = "another key, so that nothing can be read"
    send_test_webhook(endpoint=endpoint, at=moment)
    deliver(moment)
    assert the_delivery().attempts.get().reason == delivering.UNREADABLE


def test_gone_switches_off_at_once_and_says_so(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    program.statuses = [410]
    tell(sara, SALE, moment)
    tell(sara, SALE, moment)
    deliver(moment)
    endpoint = WebhookEndpoint.objects.get()
    assert (endpoint.disabled_at, endpoint.disabled_reason) == (moment, "gone")
    assert set(WebhookDelivery.objects.values_list("state", flat=True)) == {"failed"}
    facts = Notice.objects.get(kind="webhook_disabled").facts
    assert facts == {"endpoint": str(endpoint.public_id), "host": "127.0.0.1", "reason": "gone"}
    tell(sara, SALE, moment)
    deliver(moment)
    assert (WebhookDelivery.objects.count(), len(program.taken)) == (2, 1)
    for refused in (partial(send_test_webhook, endpoint=endpoint), partial(replay_delivery, delivery=one_delivery())):
        with pytest.raises(WebhookOff):
            refused(at=moment)
    enable_webhook(endpoint=endpoint)
    replay_delivery(delivery=one_delivery(), at=moment)
    deliver(moment)
    assert len(program.taken) == 2


def one_delivery() -> WebhookDelivery:
    return WebhookDelivery.objects.earliest("id")


def test_five_days_of_failures_switch_off_once(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    program.statuses = [500] * 50
    for days in (0, 4.9, 5):
        tell(sara, SALE, moment + timedelta(days=days), price_micros=int(days * 10))
        deliver(moment + timedelta(days=days))
    assert WebhookEndpoint.objects.get().disabled_reason == "failing"
    assert WebhookEndpoint.objects.get().disabled_at == moment + DISABLED_AFTER
    assert Notice.objects.filter(kind="webhook_disabled").count() == 1


def test_a_redirect_is_a_failure_and_is_not_followed(
    sara: User, program: Receiver, secret: str, moment: datetime
) -> None:
    program.statuses = [307]
    tell(sara, SALE, moment)
    deliver(moment)
    assert (len(program.taken), the_delivery().attempts.get().status_code) == (1, 307)
    assert the_delivery().state == "waiting"


def test_a_slow_dripping_answer_ends_in_time(
    sara: User, program: Receiver, secret: str, moment: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drip(request: Any) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(100):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.05)

    program.act = drip
    monkeypatch.setattr(sending, "TIMEOUT_SECONDS", 0.5)
    tell(sara, SALE, moment)
    started = time.monotonic()
    deliver(moment)
    assert time.monotonic() - started < 3
    assert the_delivery().attempts.get().reason == "It did not answer in time."


def test_an_endless_answer_is_not_read_to_its_end(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    sent: list[int] = []

    def flood(request: Any) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(OSError):
            sent.extend(request.wfile.write(b"x" * 65_536) for _ in range(10_000))

    program.act = flood
    tell(sara, SALE, moment)
    deliver(moment)
    assert the_delivery().state == "delivered"
    time.sleep(0.2)
    assert sum(sent) < 100 * 65_536


def test_one_persons_dead_program_holds_up_no_other(
    sara: User, ben: User, program: Receiver, secret: str, moment: datetime
) -> None:
    add_webhook(user=ben, url="http://127.0.0.1:1/", kinds=[SALE], at=moment)
    for person in (ben, sara, ben, ben, sara):
        tell(person, SALE, moment)
    dispatch_notices(at=moment)
    assert count_waiting_endpoints(at=moment) == 2
    for _ in range(2):
        assert serve_next_endpoint(at=moment)
    assert len(program.taken) == 2
    assert WebhookAttempt.objects.filter(reason="It could not be reached.").count() == 1


@pytest.mark.django_db(transaction=True)
def test_four_workers_deliver_each_notice_once(
    sara: User, ben: User, program: Receiver, secret: str, moment: datetime
) -> None:
    add_webhook(user=ben, url=program.url, kinds=[SALE], at=moment)
    for number in range(40):
        tell((sara, ben)[number % 2], SALE, moment)
    answers = at_once([partial(deliver, moment)] * 4)
    deliver(moment)
    assert answers == [None] * 4
    assert len(program.ids()) == len(set(program.ids())) == 40
    assert set(WebhookDelivery.objects.values_list("state", "attempt_count")) == {("delivered", 1)}


def test_changing_and_deleting(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    endpoint = WebhookEndpoint.objects.get()
    change_webhook(endpoint=endpoint, url=program.url, kinds=[EXPIRY])
    tell(sara, SALE, moment)
    tell(sara, EXPIRY, moment)
    dispatch_notices(at=moment)
    assert the_delivery().notice.kind == "expiry"
    delete_webhook(endpoint=endpoint)
    assert not WebhookDelivery.objects.exists()
    assert not serve_next_endpoint(at=moment)


def test_refuses_what_is_too_much_or_nothing(sara: User, program: Receiver, moment: datetime) -> None:
    for url in ("ftp://example.org/", "https://", "https://u:p@example.org/", "https://example.org/#x", "x" * 501):
        with pytest.raises(WebhookUrlRefused):
            add_webhook(user=sara, url=url, kinds=[SALE], at=moment)
    with pytest.raises(KindsMissing):
        add_webhook(user=sara, url=program.url, kinds=[], at=moment)
    assert not WebhookEndpoint.objects.exists()
    for _ in range(10):
        add_webhook(user=sara, url=program.url, kinds=[SALE], at=moment)
    with pytest.raises(TooManyWebhooks):
        add_webhook(user=sara, url=program.url, kinds=[SALE], at=moment)
    assert WebhookEndpoint.objects.count() == 10


def test_the_log_is_kept_for_a_month(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    tell(sara, SALE, moment)
    deliver(moment)
    assert forget_deliveries(at=moment + KEPT) == 0
    assert forget_deliveries(at=moment + KEPT + timedelta(seconds=1)) == 2
    assert Notice.objects.count() == 1


def test_everything_goes_with_the_account(sara: User, program: Receiver, secret: str, moment: datetime) -> None:
    tell(sara, SALE, moment)
    deliver(moment)
    blank_account(user=sara, at=moment)
    for model in (WebhookEndpoint, WebhookDelivery, WebhookAttempt, Notice):
        assert not model.objects.exists()
