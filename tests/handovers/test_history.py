"""The new owner holds the key. What he sends must not change what was measured in the former owner's time."""

from datetime import timedelta

import pytest

from devices.errors import SequenceConflict
from devices.handing import LATE_UPLOADS
from devices.models import Batch, Device, Measure, ReadingFile
from devices.resolving import read_stored
from devices.services import accept_batch, resolve_batches
from marketplace.delivery.services import preview_rows
from tests.builders import make_consent
from tests.builders_delivery import day_start, minutes
from tests.handovers.conftest import offered, take_over

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def settle(*devices, at):
    for _ in range(2):
        for device in devices:
            resolve_batches(device=device, at=at)


def rows_of(owner, device, at):
    consent = make_consent(owner, at, devices=[device])
    return {row["time"]: row for row in preview_rows(consent=consent, limit=999, at=at)}


@pytest.fixture
def hands(station, ben, now):
    """The former owner's row, and the new one's."""
    resolve_batches(device=station.device, at=now)
    taken = take_over(ben, offered(station.device, ben, now), now)
    return Device.objects.get(pk=station.device.pk), taken


def test_the_new_owner_does_not_overwrite_the_history(station, hands, sara, now):
    before, taken = hands
    history = rows_of(sara, before, now + HOUR)
    later = now + 2 * HOUR
    station.send([(time, name, -273.0) for time, name, _ in minutes(day_start(now, 1), 60)], later)
    settle(taken, before, at=later)
    assert rows_of(sara, before, later + HOUR) == history


def test_a_batch_of_before_is_a_repeat_also_where_the_device_is_remembered(station, hands, now):
    before, taken = hands
    later = now + HOUR
    station.send(minutes(later, 1), later)
    kept = Batch.objects.get(device=before)
    assert accept_batch(envelope=kept.original_envelope, at=later).is_repeat
    station.sequence = 0
    with pytest.raises(SequenceConflict):
        station.send(minutes(later, 2), later)
    assert [batch.sequence for batch in Batch.objects.filter(device=taken)] == [2]


def test_what_comes_long_after_the_handover_is_no_late_upload(station, hands, sara, now):
    before, taken = hands
    history = rows_of(sara, before, now + HOUR)
    later = now + LATE_UPLOADS
    station.send(minutes(day_start(now, 2), 60), later)
    settle(taken, before, at=later)
    assert rows_of(sara, before, later + HOUR) == history


def test_units_do_not_mix_in_the_history(station, hands, now):
    before, taken = hands
    later = now + HOUR
    station.send(minutes(day_start(now, 2), 60), later, units={"air_temperature": "K"})
    settle(taken, before, at=later)
    files = ReadingFile.objects.filter(device=before)
    assert {unit for file in files for unit in read_stored(file.path)["unit"]} == {"Cel"}


def test_the_former_owner_gets_no_measures_that_he_never_had(station, hands, now):
    before, taken = hands
    known = set(Measure.objects.filter(device=before).values_list("name", flat=True))
    later = now + HOUR
    names = [f"junk_{number}" for number in range(199)]
    station.send([(day_start(now, 1), name, 1.0) for name in names], later, units=dict.fromkeys(names, "Cel"))
    settle(taken, before, at=later)
    assert set(Measure.objects.filter(device=before).values_list("name", flat=True)) == known
