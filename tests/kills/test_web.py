"""kill -9 of the web at each place where a request writes: each act is whole or absent, and a repeat heals it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import pytest
from django.utils import timezone

from marketplace.wallet.gateway.receiving import follow_waiting_events
from marketplace.wallet.models import Account
from marketplace.wallet.services import market_account
from tests.kills.aftermath import assert_all_is_right
from tests.kills.barriers import Barriers, Place
from tests.kills.processes import Answer, Web
from tests.kills.web_acts import Act, Acts, Subject

MOST_AT_ONCE = 24


@dataclass(frozen=True)
class Kill:
    act: Act
    place: str
    is_done: bool
    subject: Subject


@pytest.fixture
def acts(transactional_db: None, now: datetime) -> list[Act]:
    # Whoever makes one of these holds up all others who need it until the commit.
    for kind in (Account.Kind.MARKET_FEE, Account.Kind.TAX, Account.Kind.ROUNDING, Account.Kind.PROVIDER):
        market_account(kind)
    return Acts(now).all()


def test_whole_or_absent_and_a_repeat_heals_it(acts: list[Act], web: Web, places: Barriers) -> None:
    kills = [kill for act in acts for kill in plan_kills(act, web, places)]
    for start in range(0, len(kills), MOST_AT_ONCE):
        kill_at_once(kills[start : start + MOST_AT_ONCE], web, places)
    for kill in kills:
        found = kill.subject.facts()
        expected = kill.act.done if kill.is_done else dict.fromkeys(kill.act.done, 0)
        assert found == expected, (kill.act.name, kill.place)
    # What Stripe said before the killing was kept, so nobody has to say it again.
    follow_waiting_events(at=timezone.now())
    kept = [kill for kill in kills if kill.act.name == "payment" and kill.place != "insert wallet_providerevent"]
    assert [kill.place for kill in kept if kill.subject.facts() != kill.act.done] == []
    for kill in kills:
        repeat(kill, web)
    assert_all_is_right()


def plan_kills(act: Act, web: Web, places: Barriers) -> Iterator[Kill]:
    """See where the act writes when nobody kills it, and plan one killing for each place."""
    subject = act.prepare()
    assert subject.facts() == dict.fromkeys(act.done, 0), act.name
    answers: list[Answer | None] = []
    found = places.trace(lambda: answers.append(web.send(subject.request)))
    assert answers[0] is not None
    assert (answers[0].status, subject.facts()) == (act.answers[0], act.done), (act.name, answers)
    (main,) = {place.transaction for place in found if place.name == act.table}
    for place in [*found, Place(f"commit {act.table.split()[1]}", main + 1)]:
        yield Kill(act, place.name, place.transaction > main, act.prepare())


def kill_at_once(kills: list[Kill], web: Web, places: Barriers) -> None:
    """Bring each request to its own place, kill the server with all of them, and start it again."""
    with ThreadPoolExecutor(len(kills)) as callers:
        answers: list[Future[Answer | None]] = []
        try:
            for kill in kills:
                with places.stop_at(kill.place):
                    answers.append(callers.submit(web.send, kill.subject.request))
        finally:
            web.kill()
        assert [answer.result() for answer in answers] == [None] * len(kills)
    places.open()
    web.start()


def repeat(kill: Kill, web: Web) -> None:
    """Twice, for who had no answer asks again, and again; what is whole stays as it is."""
    first, second = (web.send(kill.subject.request) for _ in range(2))
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (kill.act.answers[kill.is_done], kill.act.answers[1]), kill
    assert kill.subject.facts() == kill.act.done, (kill.act.name, kill.place)
    if kill.act.name == "purchase":
        assert json.loads(first.body)["id"] == json.loads(second.body)["id"]
