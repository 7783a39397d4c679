"""In which order batches became visible, also over a restore; and what a horizon has seen."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as some

from devices.arrivals import batches_since, begin_epoch, current_horizon, unseen_sequences
from devices.horizons import Horizon, HorizonMalformed, read_horizon
from devices.models import Batch, Device
from devices.services import hand_over_device, resolve_batches
from marketplace.accounts.models import User
from tests.builders_devices import SigningDevice, make_signing_device
from tests.database_owner import owner_rights

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


def send(device: SigningDevice, *, at: datetime = AT, seconds: int = 0) -> None:
    device.send([(at - timedelta(seconds=seconds), "t", 1.5, "Cel")], at=at)


def sequences(horizon: Horizon, device: SigningDevice, most_readings: int = 10_000) -> list[int]:
    found = batches_since(horizon, device_ids=[device.device.pk], most_readings=most_readings)
    return [batch.sequence for batch in found.batches]


@pytest.mark.django_db(transaction=True)
def test_finds_what_came_after_a_horizon_and_nothing_twice(sara: User) -> None:
    device, other = make_signing_device(sara, AT), make_signing_device(sara, AT)
    send(device)
    horizon = current_horizon()
    send(device)
    send(other)
    send(device)
    found = batches_since(horizon, device_ids=[device.device.pk], most_readings=10_000)
    assert ([batch.sequence for batch in found.batches], found.is_whole) == ([2, 3], True)
    assert sequences(found.horizon, device) == []
    assert sequences(found.horizon, other) == []
    assert unseen_sequences(horizon, device_id=device.device.pk) == [2, 3]


@pytest.mark.django_db(transaction=True)
def test_goes_in_steps_of_whole_transactions(sara: User) -> None:
    device = make_signing_device(sara, AT)
    send(device)
    horizon = current_horizon()
    send(device)
    with transaction.atomic():
        send(device)
        send(device)
    send(device)
    steps = []
    while True:
        found = batches_since(horizon, device_ids=[device.device.pk], most_readings=1)
        steps.append([batch.sequence for batch in found.batches])
        horizon = found.horizon
        if found.is_whole:
            break
    assert steps == [[2], [3, 4], [5]]
    assert sequences(horizon, device) == []


@pytest.mark.django_db(transaction=True)
def test_what_commits_late_is_still_new(sara: User) -> None:
    device = make_signing_device(sara, AT)
    send(device)
    before = current_horizon()
    for _ in late_commit(device):
        send(device)
        found = batches_since(before, device_ids=[device.device.pk], most_readings=10_000)
        assert len(found.batches) == 1
        assert found.horizon.open
    assert len(sequences(found.horizon, device)) == 1
    assert len(sequences(before, device)) == 2
    assert read_horizon(found.horizon.text()) == found.horizon


def late_commit(device: SigningDevice) -> Iterator[None]:
    """An upload that is committed only after the loop's body."""
    has_sent, may_commit = threading.Event(), threading.Event()

    def upload() -> None:
        try:
            with transaction.atomic():
                send(device)
                has_sent.set()
                may_commit.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=upload)
    thread.start()
    has_sent.wait(30)
    yield
    may_commit.set()
    thread.join()


@pytest.mark.django_db(transaction=True)
def test_in_another_cluster_numbers_go_on_growing(sara: User) -> None:
    device = make_signing_device(sara, AT)
    send(device)
    before = current_horizon()
    send(device)
    comment = epoch_comment()
    try:
        with owner_rights():
            set_comment("epoch 1 of another cluster/1")
            begin_epoch(apps.get_app_config("devices"))
            begin_epoch(apps.get_app_config("devices"))
        assert epoch_comment().startswith("epoch 2 of ")
        send(device)
        first, second, third = Batch.objects.order_by("pk").values_list("arrival", flat=True)
        assert third >> 40 == (second >> 40) + 1 == (first >> 40) + 1
        # Who comes back with a place of before gets what came then and what came since.
        assert sequences(before, device) == [2, 3]
        # A place that only the lost cluster had come to: everything of the new one is after it.
        assert sequences(Horizon(before.end + 10_000), device) == [3]
    finally:
        with owner_rights():
            set_comment("epoch 0 of another cluster/1")
            begin_epoch(apps.get_app_config("devices"))
            set_comment(comment)


def epoch_comment() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description('devices_arrival(xid8)'::regprocedure, 'pg_proc')")
        return str(cursor.fetchone()[0])


def set_comment(comment: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"COMMENT ON FUNCTION devices_arrival(xid8) IS '{comment}'")


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_is_passed_on_arrives_when_it_is(sara: User, ben: User) -> None:
    device = make_signing_device(sara, AT)
    send(device)
    later = AT + timedelta(minutes=2)
    hand_over_device(
        device=device.device, owner=ben, name="Mine", country="DE", region="", at=AT + timedelta(minutes=1)
    )
    horizon = current_horizon()
    # Measured before the handover, sent after it: it belongs to the former owner.
    send(device, at=later, seconds=100)
    resolve_batches(device=Device.objects.get(predecessor=device.device), at=later)
    assert sequences(horizon, device) == [2]


@given(some.integers(0, 2**50), some.sets(some.integers(1, 5000), max_size=50))
def test_a_horizon_reads_back(end: int, back: set[int]) -> None:
    horizon = Horizon(end, tuple(sorted(end - one for one in back if one <= end)))
    assert read_horizon(horizon.text()) == horizon


@given(some.lists(some.integers(0, 30), unique=True), some.data())
def test_a_step_has_seen_just_what_was_seen_before_and_what_came_up_to_it(
    order: list[int], data: some.DataObject
) -> None:
    """Transactions begin in the order of their numbers and commit in any; horizons are taken in between."""
    committed_before = set(order[: data.draw(some.integers(0, len(order)))])
    committed_later = committed_before | set(order[: data.draw(some.integers(0, len(order)))])
    before, later = horizon_of(committed_before), horizon_of(committed_later)
    new = sorted(one for one in committed_later if not before.has_seen(one))
    for last in new:
        step = before.up_to(last, later)
        assert {one for one in range(31) if step.has_seen(one)} >= committed_before
        assert {one for one in committed_later if step.has_seen(one)} == committed_before | {
            one for one in new if one <= last
        }


def horizon_of(committed: set[int]) -> Horizon:
    end = max(committed, default=-1) + 1
    return Horizon(end, tuple(one for one in range(end) if one not in committed))


@pytest.mark.parametrize(
    "text", ["", "-", "1-", "1-2", "5-2-1", "5-0", "5-1-1", "G", "1" * 16, "f-" + "-".join("1" * 500)]
)
def test_refuses_what_is_no_horizon(text: str) -> None:
    with pytest.raises(HorizonMalformed):
        read_horizon(text)
