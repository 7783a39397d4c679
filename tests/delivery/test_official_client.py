"""The official Delta Sharing client, in an environment of its own, against the running server."""

import json
import time
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer
from vega_datasets import data as vega_datasets

from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.models import Read
from marketplace.delivery.services import refresh_table
from tests.builders_delivery import day_start, make_stocked_listing, minutes
from tests.delivery.official import CLIENT, LIST, LOAD, microseconds, reader_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _environment() -> None:
    assert CLIENT.exists(), "`make test` makes .venv-clients from requirements-clients.lock."


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
    later = at + timedelta(seconds=1)
    sender.send([(sent[0][0] - timedelta(minutes=1), "air_temperature", 1 / 3)], later)
    assert refresh_table(listing=listing, at=later).version == 2

    loaded = reader.load()

    assert len(loaded["times"]) == len(sent) + 1
    assert sorted(zip(loaded["times"], loaded["values"]["air_temperature"], strict=True))[1:] == [
        (microseconds(moment), repr(value)) for moment, _, value in sent
    ]
    assert reader.load(use_delta_format=False) == loaded
    assert len(reader.load(version=1)["times"]) == len(sent)
    assert len(reader.load(limit=10)["times"]) == 10
    tables = reader.run(LIST)
    assert json.loads(tables.stdout) == [[listing.share_name, "data", name] for name in ("readings", "evidence")]


def test_loads_a_table_that_has_no_rows_yet(live_server: LiveServer, sara: User, ben: User, tmp_path: Path) -> None:
    at = timezone.now()
    readings = minutes(day_start(at), 1)
    _, listing = make_stocked_listing(sara, at, readings=readings, delay_seconds=3 * 86400)
    loaded = reader_of(listing, ben, at, live_server, tmp_path).load()
    assert (loaded["columns"], loaded["times"]) == (["time", "device", "air_temperature"], [])
