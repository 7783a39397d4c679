"""The official Delta Sharing client, in an environment of its own, against the running server."""

import json
import subprocess
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from vega_datasets import data as vega_datasets

from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.models import Read
from marketplace.delivery.services import refresh_table
from marketplace.listings.models import Listing
from tests.builders_delivery import buy_token, day_start, make_stocked_listing, minutes

pytestmark = pytest.mark.django_db(transaction=True)
CLIENT = Path(settings.BASE_DIR) / ".venv-clients" / "bin" / "python"

# Times as whole microseconds, values as repr: nothing is rounded on the way to this test.
LOAD = """
import json, sys
import delta_sharing
profile, table, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
frame = delta_sharing.load_as_pandas(f"{profile}#{table}", **options)
times = [moment.value // 1000 for moment in frame["time"]]
values = {name: [repr(float(value)) for value in frame[name]] for name in frame.columns[2:]}
print(json.dumps({"columns": list(frame.columns), "times": times, "devices": list(frame["device"]), "values": values}))
"""
LIST = """
import json, sys
import delta_sharing
tables = delta_sharing.SharingClient(sys.argv[1]).list_all_tables()
print(json.dumps([[table.share, table.schema, table.name] for table in tables]))
"""


@dataclass
class Reader:
    """ben with his profile file and the client."""

    profile: Path
    table: str

    def run(self, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(CLIENT), "-c", program, str(self.profile), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def load(self, **options: Any) -> dict[str, Any]:
        done = self.run(LOAD, self.table, json.dumps(options))
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(autouse=True)
def _environment() -> None:
    assert CLIENT.exists(), "`make test` makes .venv-clients from requirements-clients.lock."


def reader_of(listing: Listing, ben: User, at: datetime, server: LiveServer, folder: Path) -> Reader:
    _, text = buy_token(listing, ben, at)
    profile = folder / "profile.share"
    endpoint = f"{server.url}/delta-sharing"
    profile.write_text(json.dumps({"shareCredentialsVersion": 1, "endpoint": endpoint, "bearerToken": text}))
    return Reader(profile, f"{listing.share_name}.data.readings")


def microseconds(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def test_loads_a_real_recording_to_the_last_digit_until_it_is_withdrawn(
    live_server: LiveServer, sara: User, ben: User, tmp_path: Path
) -> None:
    at = timezone.now()
    recorded = vega_datasets.sf_temps()
    sent = [
        (moment.to_pydatetime().replace(tzinfo=UTC), "air_temperature", float(value))
        for moment, value in zip(recorded["date"], recorded["temp"], strict=True)
    ]
    _, listing = make_stocked_listing(sara, at, readings=sent)
    reader = reader_of(listing, ben, at, live_server, tmp_path)

    loaded = reader.load()

    expected = sorted({time: value for time, _, value in sent}.items())
    assert len(expected) > 8000
    assert loaded["columns"] == ["time", "device", "air_temperature"]
    assert loaded["times"] == [microseconds(time) for time, _ in expected]
    assert loaded["values"]["air_temperature"] == [repr(value) for _, value in expected]
    assert set(loaded["devices"]) == {"device-1"}
    assert Read.objects.get().row_count == len(expected)

    withdraw_consent(consent=listing.consent, at=timezone.now())
    started = time.monotonic()
    refused = reader.run(LOAD, reader.table, "{}")
    assert refused.returncode != 0
    assert "403" in refused.stderr
    assert "withdrawn" in refused.stderr
    # The client starts in about two seconds; a refusal that it took for a passing fault would cost it many more.
    assert time.monotonic() - started < 15


def test_loads_several_days_older_versions_and_limits(
    live_server: LiveServer, sara: User, ben: User, tmp_path: Path
) -> None:
    at = timezone.now()
    sent = minutes(day_start(at, 3) + timedelta(hours=23), 30 * 60)
    sender, listing = make_stocked_listing(sara, at, readings=sent)
    reader = reader_of(listing, ben, at, live_server, tmp_path)
    sender.send([(sent[0][0] - timedelta(minutes=1), "air_temperature", 1 / 3)], at)
    assert refresh_table(listing=listing, at=at).version == 2

    loaded = reader.load()

    assert len(loaded["times"]) == len(sent) + 1
    assert sorted(zip(loaded["times"], loaded["values"]["air_temperature"], strict=True))[1:] == [
        (microseconds(moment), repr(value)) for moment, _, value in sent
    ]
    assert reader.load(use_delta_format=False) == loaded
    assert len(reader.load(version=1)["times"]) == len(sent)
    assert len(reader.load(limit=10)["times"]) == 10
    tables = reader.run(LIST)
    assert json.loads(tables.stdout) == [[listing.share_name, "data", "readings"]]


def test_loads_a_table_that_has_no_rows_yet(live_server: LiveServer, sara: User, ben: User, tmp_path: Path) -> None:
    at = timezone.now()
    readings = minutes(day_start(at), 1)
    _, listing = make_stocked_listing(sara, at, readings=readings, delay_seconds=3 * 86400)
    loaded = reader_of(listing, ben, at, live_server, tmp_path).load()
    assert (loaded["columns"], loaded["times"]) == (["time", "device", "air_temperature"], [])
