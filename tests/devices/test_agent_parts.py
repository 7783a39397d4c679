"""Pieces of the reference device that need no server."""

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from devices.agent import client
from devices.agent.client import ServerClient
from devices.agent.command_line import build_parser, joined, main, mapping_of
from devices.agent.errors import ADVICE, AgentError, MappingError, ServerRefused, ServerUnreachable
from devices.agent.mapping import Mapping, MeasureColumn, parse_measure, parse_offset, read_mapping
from devices.agent.recording import Recording
from devices.agent.shapes import KINDS, samples_at
from devices.agent.state import DEFAULT_FOLDER, StateFolder
from devices.errors import BatchError, EnrolmentError
from devices.units import ucum_unit

ROOT = Path(__file__).resolve().parents[2]
TEMPERATURE = MeasureColumn("temp", "air_temperature", "Cel")
MAPPINGS = Path(__file__).parents[2] / "docs" / "mappings"


def rows_of(path: Path, text: str, **changes: Any) -> list[tuple[float, str, float, str]]:
    path.write_text(text)
    mapping = Mapping(**({"time_columns": ("time",), "measures": (TEMPERATURE,)} | changes))
    return [reading for row in Recording(path, mapping).rows(0) for reading in row.readings]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "recording.csv"


@pytest.mark.parametrize("mark", [",", ";", "\t", " "])
def test_finds_out_the_delimiter(file: Path, mark: str) -> None:
    text = f"time{mark}temp\n2024-05-01T00:00:00Z{mark}1.5\n\n2024-05-01T00:01:00Z{mark}2.5\n"
    start = datetime(2024, 5, 1, tzinfo=UTC).timestamp()
    expected = [(start, "air_temperature", 1.5, "Cel"), (start + 60, "air_temperature", 2.5, "Cel")]
    assert rows_of(file, text) == expected


def test_reads_times_of_another_zone(file: Path) -> None:
    text = "time,clock,temp\n10/14/2018,23:59,1\n"
    found = rows_of(file, text, time_columns=("time", "clock"), time_format="%m/%d/%Y %H:%M", utc_offset="-07:00")
    assert found[0][0] == datetime(2018, 10, 15, 6, 59, tzinfo=UTC).timestamp()


def test_leaves_out_what_is_missing_or_flagged(file: Path) -> None:
    text = "station\nplace\n 1 5.5 0\n 2 -9999.90 0\n 3 6.5 1\n 4 nan 0\n 5 7.5 0\n"
    found = rows_of(
        file,
        text,
        measures=(MeasureColumn("temp", "air_temperature", "Cel", flag="flag"),),
        time_format="unix",
        delimiter="whitespace",
        skip_lines=2,
        columns=("time", "temp", "flag"),
        missing=("-9999.9",),
    )
    assert [(time, value) for time, _, value, _ in found] == [(1.0, 5.5), (5.0, 7.5)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,other\n1,2\n", "There is no column 'temp'. The file has: time, other."),
        ("time,temp\n2024-05-01,abc\n", "Line 2, column 'temp': 'abc' is not a number."),
        ("time,temp\n2024-05-01,inf\n", "Line 2, column 'temp': 'inf' is not a number."),
        ("time,temp\nyesterday,1\n", "Line 2: the time 'yesterday' does not fit the format iso."),
        ("time,temp\n2024-05-01\n", "Line 2 has 1 columns instead of 2."),
        ("time,temp\n", "The file has no line with readings."),
    ],
)
def test_says_which_line_is_wrong(file: Path, text: str, said: str) -> None:
    with pytest.raises(MappingError) as refusal:
        rows_of(file, text)
    assert str(refusal.value).startswith(said)


def test_a_column_name_may_hold_any_character() -> None:
    assert parse_measure("a=b [x:y]=t:kg.m/s2") == MeasureColumn("a=b [x:y]", "t", "kg.m/s2")
    for text in ("temp", "temp=", "temp=x", "=x:Cel", "temp=:Cel", "temp=x:"):
        with pytest.raises(MappingError):
            parse_measure(text)


def test_reads_offsets() -> None:
    for text, hours in (("-7", -7), ("+05:30", 5.5), ("02:00", 2), ("Z", 0)):
        assert parse_offset(text).utcoffset(None).total_seconds() == hours * 3600
    for text in ("MST", "25", "-7:99", "--7"):
        with pytest.raises(MappingError):
            parse_offset(text)


@pytest.mark.parametrize("path", sorted(MAPPINGS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_ready_mappings_are_whole(path: Path) -> None:
    mapping = read_mapping(path)
    for measure in mapping.measures:
        assert ucum_unit(measure.unit)
        assert mapping.columns is None or {measure.column, measure.flag} - {""} <= set(mapping.columns)


def test_a_python_without_the_packages_is_told_which_one_to_use() -> None:
    arguments = ["-S", "-m", "devices.agent", "send", "my file.csv"]
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert ".venv/bin/python -m devices.agent send 'my file.csv'" in done.stderr
    assert "Traceback" not in done.stderr


def test_options_win_over_the_mapping_file(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps({"time": {"columns": ["t"]}, "measures": [{"column": "a", "name": "b", "unit": "K"}]}))
    options = build_parser().parse_args(
        joined(["send", "f.csv", "--mapping", str(path), "--time", "when", "--utc-offset", "-7:00"])
    )
    mapping = mapping_of(options)
    assert (mapping.time_columns, mapping.utc_offset, mapping.measures[0].name) == (("when",), "-7:00", "b")
    path.write_text('{"colums": []}')
    with pytest.raises(MappingError):
        read_mapping(path)


def test_every_refusal_has_advice() -> None:
    leaves = [*BatchError.__subclasses__(), *EnrolmentError.__subclasses__()]
    assert {error.code for error in leaves} <= set(ADVICE)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_shapes_are_believable_and_repeatable(kind: str) -> None:
    start = datetime(2026, 6, 21, tzinfo=UTC).timestamp()
    days = [samples_at(kind, seed=3, unix_seconds=start + 600 * step) for step in range(144 * 3)]
    assert days == [samples_at(kind, seed=3, unix_seconds=start + 600 * step) for step in range(144 * 3)]
    assert days != [samples_at(kind, seed=4, unix_seconds=start + 600 * step) for step in range(144 * 3)]
    columns = {name: [sample[place][1] for sample in days] for place, (name, _, _) in enumerate(days[0])}
    for name, _, unit in days[0]:
        assert ucum_unit(unit)
        assert len(set(columns[name])) > 1 or name == "rainfall_rate"
        assert name == "air_temperature" or min(columns[name]) >= 0
    if kind == "weather_station":
        assert columns["solar_irradiance"][0] == 0
        assert max(columns["solar_irradiance"][60:84]) > 200
    if kind == "smart_meter":
        assert columns["energy_import"] == sorted(columns["energy_import"])


def test_the_state_folder_has_one_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with StateFolder(tmp_path).locked():
        assert main(["simulate", "--state", str(tmp_path)]) == 1
    assert "Another agent" in capsys.readouterr().err
    assert main(["status", "--state", str(tmp_path)]) == 1
    assert "Run enrol first" in capsys.readouterr().err


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with what the test put into the queue."""

    queue: ClassVar[list[tuple[int, bytes]]] = []
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = self.queue.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(client, "_FIRST_WAIT_SECONDS", 0.001)
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    listener.server_close()


def test_tries_again_what_heals_by_itself(server: str) -> None:
    Answers.queue[:] = [(503, b"<html>"), (429, b"{}"), (200, b'{"sequence": 1}')]
    assert ServerClient(server).post("/x", b"", "application/cose") == {"sequence": 1}


def test_gives_up_after_all_tries(server: str) -> None:
    Answers.queue[:] = [(500, b"")] * 3
    with pytest.raises(ServerUnreachable):
        ServerClient(server, tries=3).post("/x", b"", "application/cose")


def test_never_repeats_a_refusal(server: str) -> None:
    Answers.queue[:] = [(403, b'{"code": "device_retired", "detail": "Gone."}')]
    with pytest.raises(ServerRefused) as refusal:
        ServerClient(server).post("/x", b"", "application/cose")
    assert refusal.value.code == "device_retired"
    assert "Add a new device" in str(refusal.value)


def test_rejects_what_is_no_address() -> None:
    with pytest.raises(AgentError):
        ServerClient("market.example")


def test_a_state_folder_may_start_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    options = build_parser().parse_args(["status", "--state", "~/devices/roof"])
    assert options.state == tmp_path / "devices" / "roof"


def test_says_which_folder_the_next_commands_need(tmp_path: Path) -> None:
    assert StateFolder(tmp_path).option == f", with --state {tmp_path}"
    assert StateFolder(DEFAULT_FOLDER).option == ""
