"""kill -9 of the worker at each place where a task writes: each chore is whole or absent, and is done in the end."""

from __future__ import annotations

import threading
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from marketplace.invoices.models import Invoice
from marketplace.wallet.models import Account
from marketplace.wallet.services import market_account
from tests.fake_stripe import WEBHOOK_SECRET, FakeStripe
from tests.kills.aftermath import assert_all_is_right
from tests.kills.barriers import Barriers, Place, wait_for
from tests.kills.processes import Worker, is_broker_idle
from tests.kills.worker_acts import Chore, Chores


@pytest.fixture
def connected(stripe: FakeStripe, settings: Any) -> None:
    """What the worker's environment says holds here, too."""
    settings.STRIPE_SECRET_KEY = "sk_test_of_the_tests"
    settings.STRIPE_WEBHOOK_SECRETS = [WEBHOOK_SECRET]
    settings.STRIPE_API_ADDRESS = stripe.address


@pytest.fixture
def chores(connected: None, transactional_db: None, now: datetime) -> Chores:
    for kind in (Account.Kind.MARKET_FEE, Account.Kind.TAX, Account.Kind.ROUNDING, Account.Kind.PROVIDER):
        market_account(kind)
    return Chores(now)


def test_whole_or_absent_and_done_by_the_next_process(
    chores: Chores, worker: Worker, places: Barriers, stripe: FakeStripe
) -> None:
    for chore in chores.all():
        for place in places_of(chore, places, chores.now):
            kill_at(place, chore, worker, places)
    assert_sent_once(stripe)
    assert_no_gap()
    assert_all_is_right()


def places_of(chore: Chore, places: Barriers, now: datetime) -> list[tuple[str, bool]]:
    """Where the chore writes when nobody kills it, each with whether its transaction is over there."""
    facts = chore.prepare()
    assert facts() == dict.fromkeys(chore.done, 0), chore.task
    found = places.trace(partial(chore.run, at=now))
    assert facts() == chore.done, chore.task
    (main,) = {place.transaction for place in found if place.name == chore.table}
    found.append(Place(f"commit {chore.table.split()[1]}", main + 1))
    return [(place.name, place.transaction > main) for place in found]


def kill_at(place: tuple[str, bool], chore: Chore, worker: Worker, places: Barriers) -> None:
    name, is_done = place
    facts = chore.prepare()
    with places.stop_at(name):
        worker.send(chore.task)
    worker.kill_task()
    places.open()
    expected = chore.done if is_done else dict.fromkeys(chore.done, 0)
    assert facts() == expected, (chore.task, name)
    # The broker still has the task: it is acknowledged when it is over.
    worker.go_on()
    wait_for(lambda: facts() == chore.done and is_broker_idle(), f"{chore.task} is not done after {name}")


@pytest.mark.parametrize("path", ["/v1/transfers", "/v1/payouts"])
def test_a_payout_whose_answer_nobody_heard_is_sent_once(
    chores: Chores, worker: Worker, stripe: FakeStripe, path: str
) -> None:
    """The whole worker dies; its task is not given out again for an hour, but beat sends the next."""
    facts = chores.payout()
    stripe.holds[path] = threading.Event()
    worker.send("marketplace.wallet.tasks.send_payouts_task")
    made = path.removeprefix("/v1/").removesuffix("s")
    wait_for(lambda: stripe.of(made), "nothing was sent")
    worker.kill()
    stripe.holds.pop(path).set()
    assert facts() == {"sent": 0}
    worker.start()
    worker.send("marketplace.wallet.tasks.send_payouts_task")
    wait_for(lambda: facts() == {"sent": 1}, "the payout was not sent again")
    assert_sent_once(stripe)
    assert_all_is_right()


def assert_sent_once(stripe: FakeStripe) -> None:
    for kind in ("transfer", "payout"):
        references = [one["metadata"]["reference"] for one in stripe.of(kind)]
        assert references
        assert len(references) == len(set(references))


def assert_no_gap() -> None:
    numbers = list(Invoice.objects.filter(series=Invoice.Series.INVOICE).order_by("number").values_list("number"))
    assert numbers == [(number,) for number in range(1, len(numbers) + 1)]
