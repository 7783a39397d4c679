"""The reference device against a running server: the whole way from a claim code to Parquet."""

import csv
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import vega_datasets
from django.utils import timezone

from devices.agent.client import ServerClient
from devices.agent.command_line import main
from devices.agent.state import StateFolder
from devices.models import Batch, Device, Measure
from devices.readings import read_readings
from devices.services import issue_claim, resolve_batches, retire_device
from ledger.models import OutboxRow
from marketplace.accounts.models import User
from tests.builders_devices import add_waiting_device

pytestmark = pytest.mark.django_db(transaction=True)

MAPPINGS = Path(__file__).parents[2] / "docs" / "mappings"
SF_TEMPS = Path(vega_datasets.__file__).parent / "_data" / "sf-temps.csv"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "device"


@pytest.fixture
def device(sara: User, live_server: Any, folder: Path) -> Device:
    device = add_waiting_device(sara, timezone.now())
    code = issue_claim(device=device, at=timezone.now())
    assert main(["enrol", "--server", live_server.url, "--code", code, "--state", str(folder)]) == 0
    device.refresh_from_db()
    return device


def send(folder: Path, file: Path, *options: str) -> int:
    return main(["send", str(file), "--state", str(folder), "--tries", "2", *options])


def readings_of(device: Device, name: str) -> list[tuple[datetime, float]]:
    resolve_batches(device=device, at=timezone.now())
    return list(read_readings(device, names=[name]).select("time", "value").iter_rows())


def hourly_csv(path: Path, count: int, first: int = 0) -> Path:
    start = datetime(2024, 5, 1, tzinfo=UTC)
    lines = [f"{(start + timedelta(hours=hour)).isoformat()},{hour / 7!r}" for hour in range(first, first + count)]
    path.write_text("time,temp\n" + "\n".join(lines) + "\n")
    return path


HOURLY = ("--time", "time", "--map", "temp=air_temperature:Cel")


def test_enrols_and_keeps_its_key_private(device: Device, folder: Path) -> None:
    assert device.state == Device.State.ENROLLED
    assert (folder / "key.seed").stat().st_mode & 0o777 == 0o600
    assert bytes(StateFolder(folder).read_key().verify_key) == bytes(device.keys.get().public_key)
    assert OutboxRow.objects.get().kind == "device.enrolled"


def test_sends_a_real_recording_to_the_last_digit(device: Device, folder: Path) -> None:
    assert send(folder, SF_TEMPS, "--mapping", str(MAPPINGS / "sf-temps.toml")) == 0
    with SF_TEMPS.open() as file:
        rows = list(csv.DictReader(file))
    expected = {
        datetime.strptime(row["date"], "%Y/%m/%d %H:%M:%S").replace(tzinfo=UTC): float(row["temp"]) for row in rows
    }
    assert readings_of(device, "air_temperature") == sorted(expected.items())
    assert Measure.objects.get().unit == "[degF]"
    assert Batch.objects.count() == -(-len(rows) // 1000)


@pytest.mark.parametrize("form", ["json", "cbor"])
def test_values_survive_bit_for_bit(device: Device, folder: Path, tmp_path: Path, form: str) -> None:
    values = [
        "0.1",
        "-0.0",
        "1e-300",
        "5e-324",
        "1.7976931348623157e308",
        "123456789.123456789",
        "3",
        "0.30000000000000004",
    ]
    file = tmp_path / "values.csv"
    file.write_text("t,v\n" + "".join(f"{1_700_000_000 + second},{value}\n" for second, value in enumerate(values)))
    assert send(folder, file, "--time", "t", "--time-format", "unix", "--map", "v=x:/", "--format", form) == 0
    found = [value.hex() for _, value in readings_of(device, "x")]
    assert found == [float(value).hex() for value in values]


def test_goes_on_where_it_stopped(device: Device, folder: Path, tmp_path: Path) -> None:
    file = hourly_csv(tmp_path / "hours.csv", 30)
    assert send(folder, file, *HOURLY, "--batch-size", "10") == 0
    assert send(folder, file, *HOURLY, "--batch-size", "10") == 0
    assert Batch.objects.count() == 3
    hourly_csv(file, 45)
    assert send(folder, file, *HOURLY, "--batch-size", "10") == 0
    assert [batch.reading_count for batch in Batch.objects.order_by("sequence")] == [10, 10, 10, 10, 5]
    assert len(readings_of(device, "air_temperature")) == 45


class Killed(BaseException):
    """What a kill looks like from the inside: nothing behind it runs."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_survives_a_kill_around_the_request(
    device: Device, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    file = hourly_csv(tmp_path / "hours.csv", 30)
    real_post = ServerClient.post

    def killed_at_the_second_batch() -> Iterator[None]:
        yield None
        raise Killed

    kills = killed_at_the_second_batch()

    def post(client: ServerClient, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        if moment == "before":
            next(kills)
        answer = real_post(client, path, body, content_type)
        if moment == "after":
            next(kills)
        return answer

    monkeypatch.setattr(ServerClient, "post", post)
    with pytest.raises(Killed):
        send(folder, file, *HOURLY, "--batch-size", "10")
    monkeypatch.setattr(ServerClient, "post", real_post)
    assert send(folder, file, *HOURLY, "--batch-size", "10") == 0
    assert list(Batch.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2, 3]
    assert len(readings_of(device, "air_temperature")) == 30


@pytest.mark.parametrize("was_taken", [False, True])
def test_signs_anew_what_waited_too_long(
    device: Device, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_taken: bool
) -> None:
    file = hourly_csv(tmp_path / "hours.csv", 5)
    real_post, real_time = ServerClient.post, time.time

    def killed(client: ServerClient, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        if was_taken:
            real_post(client, path, body, content_type)
        raise Killed

    monkeypatch.setattr(ServerClient, "post", killed)
    monkeypatch.setattr(time, "time", lambda: real_time() - (0 if was_taken else 3600))
    with pytest.raises(Killed):
        send(folder, file, *HOURLY)
    monkeypatch.setattr(ServerClient, "post", real_post)
    monkeypatch.setattr(time, "time", real_time)
    assert send(folder, file, *HOURLY) == 0
    assert Batch.objects.count() == 1
    assert len(readings_of(device, "air_temperature")) == 5


def test_says_what_to_do_about_a_refusal(
    device: Device, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = hourly_csv(tmp_path / "hours.csv", 5)
    assert send(folder, file, "--time", "time", "--map", "temp=air_temperature:bananas") == 1
    said = capsys.readouterr().err
    assert "unit_unknown" in said
    assert "--map" in said
    assert not Batch.objects.exists()
    assert send(folder, file, *HOURLY) == 0
    assert Batch.objects.get().sequence == 1


def test_says_what_to_do_when_the_device_was_retired(
    device: Device, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    retire_device(device=device, at=timezone.now())
    assert send(folder, hourly_csv(tmp_path / "hours.csv", 5), *HOURLY) == 1
    assert "device_retired" in capsys.readouterr().err
    assert not Batch.objects.exists()


def test_enrol_with_a_used_code_says_so(
    device: Device, live_server: Any, tmp_path: Path, sara: User, capsys: pytest.CaptureFixture[str]
) -> None:
    other = add_waiting_device(sara, timezone.now())
    code = issue_claim(device=other, at=timezone.now())
    arguments = ["enrol", "--server", live_server.url, "--code", code.lower(), "--state"]
    assert main([*arguments, str(tmp_path / "a")]) == 0
    assert main([*arguments, str(tmp_path / "b")]) == 1
    assert "claim_used" in capsys.readouterr().err


def test_gives_up_on_a_dead_server_and_goes_on_later(
    device: Device, folder: Path, live_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = hourly_csv(tmp_path / "hours.csv", 5)
    state_file = folder / "state.json"
    state_file.write_text(state_file.read_text().replace(live_server.url, "http://127.0.0.1:9"))
    assert send(folder, file, *HOURLY) == 1
    assert "run the same command again" in capsys.readouterr().err
    state_file.write_text(state_file.read_text().replace("http://127.0.0.1:9", live_server.url))
    assert send(folder, file, *HOURLY) == 0
    assert len(readings_of(device, "air_temperature")) == 5


@pytest.mark.parametrize("kind", ["weather_station", "smart_meter", "air_quality", "charging_point"])
def test_simulates_and_goes_on(device: Device, folder: Path, kind: str) -> None:
    arguments = ["simulate", "--kind", kind, "--state", str(folder), "--every", "600", "--seed", "7"]
    span = ["--from", "2024-05-01", "--until", "2024-05-02"]
    assert main([*arguments, *span]) == 0
    assert main([*arguments, "--until", "2024-05-03"]) == 0
    resolve_batches(device=device, at=timezone.now())
    found = read_readings(device)
    assert found.height == 289 * Measure.objects.count()
    assert found["value"].is_finite().all()


def test_status_says_how_far_it_came(
    device: Device, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    send(folder, hourly_csv(tmp_path / "hours.csv", 5), *HOURLY)
    assert main(["status", "--state", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "1 taken by the server" in said
    assert "6 lines" in said
