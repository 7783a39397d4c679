"""A device changes hands: its key goes on, and each reading is whose the device was at its own time."""

from datetime import timedelta

import pytest

from devices.errors import DeviceHandedOver, DeviceNotEnrolled, DeviceRetired, KeyTaken, SequenceConflict
from devices.models import Batch, Device, DeviceKey, Measure
from devices.readings import read_readings
from devices.services import (
    accept_batch,
    erase_devices,
    hand_over_device,
    issue_claim,
    lock_devices,
    resolve_batches,
    retire_device,
)
from tests.builders_devices import add_waiting_device, enrol_with, make_signing_device

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def hand_over(ben):
    def act(device, at, **changes) -> Device:
        terms = {"owner": ben, "name": "Garage", "country": "", "region": ""}
        return hand_over_device(device=device, at=at, **(terms | changes))

    return act


def reading(at, value=1.0, name="air_temperature", unit="Cel"):
    return (at, name, value, unit)


def values(device) -> list[float]:
    return read_readings(device)["value"].to_list()


def test_a_device_goes_on_under_a_row_of_its_new_owner(station, hand_over, sara, ben, now):
    station.send([reading(now)], at=now)
    taken = hand_over(station.device, now + MINUTE)
    before = Device.objects.get(pk=station.device.pk)
    assert (before.owner, before.state, before.handed_over_at) == (sara, "handed_over", now + MINUTE)
    assert (taken.owner, taken.state, taken.taken_over_at, taken.predecessor) == (ben, "enrolled", now + MINUTE, before)
    assert (taken.name, taken.kind, taken.country, taken.region) == ("Garage", before.kind, "", "")
    receipt = station.send([reading(now + 2 * MINUTE, 2.0)], at=now + 2 * MINUTE)
    assert receipt.device_public_id == taken.public_id
    assert (values(before), values(taken)) == ([1.0], [2.0])


@pytest.mark.parametrize("is_resolved", [False, True])
def test_late_readings_go_to_whoever_had_the_device_at_their_time(station, hand_over, now, is_resolved):
    handed_at = now + 10 * MINUTE
    taken = hand_over(station.device, handed_at)
    late = now + 20 * MINUTE
    moments = [now, handed_at - timedelta(microseconds=1), handed_at, now + 15 * MINUTE]
    station.send([reading(at, float(place)) for place, at in enumerate(moments)], at=late)
    station.send([reading(now + MINUTE, 9.0, "humidity", "%RH")], at=late)
    before = Device.objects.get(pk=station.device.pk)
    assert values(taken) == [2.0, 3.0]
    resolve_batches(device=taken, at=late)
    if is_resolved:
        resolve_batches(device=before, at=late)
    assert (values(before), values(taken)) == ([0.0, 1.0, 9.0], [2.0, 3.0])
    resolve_batches(device=before, at=late)
    assert set(Measure.objects.filter(device=before).values_list("name", flat=True)) == {"air_temperature", "humidity"}
    before.refresh_from_db()
    taken.refresh_from_db()
    assert (before.reading_count, taken.reading_count) == (3, 2)
    assert before.last_reading_at == now + MINUTE or before.last_reading_at < handed_at <= taken.first_reading_at


def test_an_envelope_with_readings_of_both_is_kept_by_neither(station, hand_over, now):
    taken = hand_over(station.device, now + MINUTE)
    station.send([reading(now), reading(now + 2 * MINUTE)], at=now + 3 * MINUTE)
    station.send([reading(now)], at=now + 3 * MINUTE)
    waiting = Batch.objects.get(sequence=1)
    assert waiting.is_shared(taken)
    before = Device.objects.get(pk=station.device.pk)
    for device in (taken, before):
        resolve_batches(device=device, at=now + 3 * MINUTE)
    kept = {
        (batch.device_id, batch.sequence): batch.envelope_size > 0 and len(batch.envelope) > 0
        for batch in Batch.objects.all()
    }
    assert kept == {(before.pk, 1): False, (before.pk, 2): True, (taken.pk, 1): False, (taken.pk, 2): False}
    assert not Batch.objects.waiting().exists()


def test_a_repeat_of_what_was_sent_before_writes_nothing(station, hand_over, now):
    envelope = station.sign([{"n": "a", "u": "Cel", "v": 1, "t": now.timestamp()}], at=now)
    accept_batch(envelope=envelope, at=now)
    hand_over(station.device, now + MINUTE)
    assert accept_batch(envelope=envelope, at=now + 2 * MINUTE).is_repeat
    other = station.sign([{"n": "a", "u": "Cel", "v": 2, "t": now.timestamp()}], at=now + MINUTE, sequence=1)
    with pytest.raises(SequenceConflict):
        accept_batch(envelope=other, at=now + 2 * MINUTE)
    assert Batch.objects.count() == 1


def test_readings_pass_through_three_pairs_of_hands(station, hand_over, mallory, now):
    second = hand_over(station.device, now + MINUTE)
    third = hand_over(second, now + 2 * MINUTE, owner=mallory)
    station.send([reading(now + step * MINUTE / 2, float(step)) for step in range(6)], at=now + 3 * MINUTE)
    for device in (third, second, station.device, second, third):
        resolve_batches(device=device, at=now + 3 * MINUTE)
    rows = [Device.objects.get(pk=device.pk) for device in (station.device, second, third)]
    assert [values(row) for row in rows] == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert DeviceKey.objects.filter(retired_at=None).get().device == third


def test_a_device_that_is_not_in_use_stays(station, hand_over, sara, now):
    with pytest.raises(DeviceNotEnrolled):
        hand_over(add_waiting_device(sara, now), now)
    hand_over(station.device, now)
    with pytest.raises(DeviceHandedOver):
        hand_over(station.device, now)
    with pytest.raises(DeviceHandedOver):
        retire_device(device=station.device, at=now)
    retired = make_signing_device(sara, now)
    retire_device(device=retired.device, at=now)
    with pytest.raises(DeviceRetired):
        hand_over(retired.device, now)
    assert Device.objects.filter(predecessor__isnull=False).count() == 1


def test_the_key_can_not_be_enrolled_again_and_is_refused_once_the_new_owner_retires(station, hand_over, sara, now):
    taken = hand_over(station.device, now)
    with pytest.raises(KeyTaken):
        enrol_with(issue_claim(device=add_waiting_device(sara, now), at=now), station.key, now)
    retire_device(device=taken, at=now)
    with pytest.raises(DeviceRetired):
        station.send([reading(now)], at=now)


@pytest.mark.parametrize("leaver", ["sara", "ben"])
def test_whoever_leaves_takes_only_his_own_part(request, station, hand_over, now, leaver):
    station.send([reading(now)], at=now)
    taken = hand_over(station.device, now + MINUTE)
    station.send([reading(now + 2 * MINUTE)], at=now + 2 * MINUTE)
    devices = lock_devices(owner=request.getfixturevalue(leaver))
    erased = erase_devices(devices=devices)
    assert (len(erased.public_ids), erased.key_ids) == (1, [])
    left = Device.objects.get()
    assert (left.pk == taken.pk, left.predecessor) == (leaver == "sara", None)
    # What is late for somebody who left is nobody's.
    if leaver == "sara":
        station.send([reading(now), reading(now + 3 * MINUTE)], at=now + 3 * MINUTE)
        resolve_batches(device=left, at=now + 3 * MINUTE)
        assert values(left) == [1.0, 1.0]
        assert bytes(Batch.objects.get(sequence=3).envelope) == b""
