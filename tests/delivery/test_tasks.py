from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from marketplace.accounts.models import User
from marketplace.delivery.models import DeliveryTable
from marketplace.delivery.services import request_refresh
from marketplace.delivery.tasks import refresh_table_task, refresh_tables_task, sweep_files_task
from marketplace.listings.services import withdraw_listing
from tests.builders_delivery import make_stocked_listing

pytestmark = pytest.mark.django_db
Callbacks = Callable[..., AbstractContextManager[list[Any]]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The arguments of every refresh that was handed to the broker."""
    calls: list[list[int]] = []
    monkeypatch.setattr(refresh_table_task, "apply_async", lambda args, **_: calls.append(args))
    return calls


def test_refreshes_one_table_and_may_run_twice(sara: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    for _ in range(2):
        refresh_table_task(listing.pk)
    assert DeliveryTable.objects.get().version == 1


def test_a_listing_that_is_gone_is_no_fault(db: None) -> None:
    refresh_table_task(0)


def test_the_sweep_hands_out_what_is_behind(sara: User, now: datetime, sent: list[list[int]]) -> None:
    _, behind = make_stocked_listing(sara, now)
    _, done = make_stocked_listing(sara, now)
    _, withdrawn = make_stocked_listing(sara, now)
    refresh_table_task(done.pk)
    withdraw_listing(listing=withdrawn, at=now)
    refresh_tables_task()
    assert sent == [[behind.pk]]
    sweep_files_task()


def test_a_nudge_waits_for_the_commit(
    sara: User, now: datetime, sent: list[list[int]], django_capture_on_commit_callbacks: Callbacks
) -> None:
    _, listing = make_stocked_listing(sara, now)
    with django_capture_on_commit_callbacks(execute=True):
        request_refresh(listing)
        assert sent == []
    assert sent == [[listing.pk]]


def test_a_lost_nudge_harms_nobody(
    sara: User,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Callbacks,
) -> None:
    def fail(**_: Any) -> None:
        raise OperationalError

    _, listing = make_stocked_listing(sara, now)
    monkeypatch.setattr(refresh_table_task, "apply_async", fail)
    with django_capture_on_commit_callbacks(execute=True):
        request_refresh(listing)
