"""From batches to Parquet, and reading it back."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from django.core.files.storage import default_storage

from devices import readings, resolving
from devices.frames import SCHEMA
from devices.models import Batch, Measure, ReadingFile
from devices.readings import read_readings, read_series
from devices.services import resolve_batches
from tests.builders_devices import Reading, SigningDevice

pytestmark = pytest.mark.django_db(transaction=True)

MIDNIGHT = datetime(2026, 3, 14, tzinfo=UTC)


def minutes(count: int, *, first: int = 0, name: str = "air_temperature", unit: str = "Cel") -> list[Reading]:
    start = MIDNIGHT - timedelta(minutes=30)
    return [(start + timedelta(minutes=place), name, place / 7, unit) for place in range(first, first + count)]


def stored_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_writes_one_file_a_day(station: SigningDevice, now: datetime, files_folder: Path) -> None:
    station.send(minutes(60), at=now)
    assert resolve_batches(device=station.device, at=now) == 1
    files = ReadingFile.objects.order_by("day")
    assert [(file.day, file.row_count, file.version) for file in files] == [
        (date(2026, 3, 13), 30, 1),
        (date(2026, 3, 14), 30, 1),
    ]
    assert len(stored_files(files_folder)) == 2
    frame = pl.read_parquet(default_storage.path(files[0].path))
    assert frame.schema == SCHEMA
    assert frame["value"].to_list() == [place / 7 for place in range(30)]
    assert frame["sequence"].unique().to_list() == [1]


def test_counts_what_came_in(station: SigningDevice, now: datetime) -> None:
    station.send([*minutes(60), *minutes(5, name="humidity", unit="%RH")], at=now)
    resolve_batches(device=station.device, at=now)
    station.device.refresh_from_db()
    start = MIDNIGHT - timedelta(minutes=30)
    assert station.device.reading_count == 65
    assert (station.device.first_reading_at, station.device.last_reading_at) == (start, start + timedelta(minutes=59))
    measures = Measure.objects.values_list("name", "unit", "reading_count", "first_at", "last_at")
    assert list(measures) == [
        ("air_temperature", "Cel", 60, start, start + timedelta(minutes=59)),
        ("humidity", "%", 5, start, start + timedelta(minutes=4)),
    ]
    assert Batch.objects.get().resolved_at == now


def test_a_later_batch_corrects_an_earlier_one(station: SigningDevice, now: datetime, files_folder: Path) -> None:
    station.send(minutes(20), at=now)
    resolve_batches(device=station.device, at=now)
    before = ReadingFile.objects.get()
    start = MIDNIGHT - timedelta(minutes=30)
    station.send([(start, "air_temperature", 99.0, "Cel")], at=now)
    resolve_batches(device=station.device, at=now)
    after = ReadingFile.objects.get()
    assert (after.version, after.row_count) == (2, 20)
    assert after.path != before.path
    assert bytes(after.sha256) != bytes(before.sha256)
    assert [path.name for path in stored_files(files_folder)] == [Path(after.path).name]
    frame = read_readings(station.device)
    assert frame.row(0) == ("air_temperature", start, 99.0, "Cel", 2)
    assert Measure.objects.get().reading_count == 20


def test_resolving_again_changes_nothing(station: SigningDevice, now: datetime) -> None:
    station.send(minutes(20), at=now)
    resolve_batches(device=station.device, at=now)
    before = ReadingFile.objects.values().get()
    assert resolve_batches(device=station.device, at=now) == 0
    assert ReadingFile.objects.values().get() == before


def test_takes_batches_in_portions(station: SigningDevice, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "_BATCHES_AT_ONCE", 2)
    for number in range(5):
        station.send(minutes(10, first=10 * number), at=now)
    assert resolve_batches(device=station.device, at=now) == 5
    assert read_readings(station.device)["value"].to_list() == [place / 7 for place in range(50)]


def test_a_crash_leaves_the_batches_waiting(
    station: SigningDevice, now: datetime, monkeypatch: pytest.MonkeyPatch, files_folder: Path
) -> None:
    station.send(minutes(10), at=now)
    resolve_batches(device=station.device, at=now)
    station.send(minutes(10, first=10), at=now)
    before = stored_files(files_folder)

    def crash(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(resolving, "_count", crash)
        with pytest.raises(RuntimeError):
            resolve_batches(device=station.device, at=now)
    assert stored_files(files_folder) == before
    assert Batch.objects.waiting().count() == 1
    assert read_readings(station.device).height == 20
    assert resolve_batches(device=station.device, at=now) == 1
    assert read_readings(station.device).height == 20


def test_reads_what_is_not_resolved_yet(station: SigningDevice, now: datetime) -> None:
    station.send(minutes(60), at=now)
    waiting = read_readings(station.device)
    resolve_batches(device=station.device, at=now)
    resolved = read_readings(station.device)
    assert waiting.equals(resolved)
    station.send(minutes(5, first=60), at=now)
    assert read_readings(station.device).height == 65


def test_reads_a_window_of_some_measures(station: SigningDevice, now: datetime) -> None:
    station.send([*minutes(60), *minutes(60, name="humidity", unit="%RH")], at=now)
    for _ in range(2):
        found = read_readings(
            station.device, names=["humidity"], start=MIDNIGHT, until=MIDNIGHT + timedelta(minutes=10)
        )
        assert found.height == 10
        assert found["time"].to_list()[0] == MIDNIGHT
        assert found["unit"].unique().to_list() == ["%"]
        resolve_batches(device=station.device, at=now)


def test_reads_nothing_from_a_silent_device(station: SigningDevice) -> None:
    assert read_readings(station.device).schema == SCHEMA
    assert read_series(station.device, "x", MIDNIGHT, MIDNIGHT + timedelta(days=1), 10).is_empty()


def test_a_file_that_is_replaced_meanwhile_is_read_anew(
    station: SigningDevice, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    station.send(minutes(20), at=now)
    resolve_batches(device=station.device, at=now)
    real_source = readings._source
    calls = []

    def replaced(path: str) -> str | bytes:
        calls.append(path)
        if len(calls) == 1:
            station.send(minutes(5, first=20), at=now)
            resolve_batches(device=station.device, at=now)
        return real_source(path)

    monkeypatch.setattr(readings, "_source", replaced)
    assert read_readings(station.device).height == 25
    assert len(calls) == 2


def test_a_series_has_at_most_so_many_points(station: SigningDevice, now: datetime) -> None:
    station.send(minutes(60), at=now)
    start = MIDNIGHT - timedelta(minutes=30)
    series = read_series(station.device, "air_temperature", start, start + timedelta(hours=1), 6)
    assert series.height == 6
    assert series["time"].to_list() == [start + timedelta(minutes=10 * place) for place in range(6)]
    assert series.row(0)[1:] == (pytest.approx(4.5 / 7), 0.0, 9 / 7)
    assert read_series(station.device, "air_temperature", start, start + timedelta(minutes=59), 7).height <= 7
