"""The signed envelopes as a table of Delta Sharing: what is in it, who gets it, and what it counts."""

import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars
import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from devices.envelope import open_envelope, verify_envelope
from devices.models import Batch
from marketplace.access.services import Narrowing, authorise, issue_token
from marketplace.accounts.models import User
from marketplace.delivery.evidence import table as evidence_table
from marketplace.delivery.models import DeliveryTable, EvidenceFile, Read
from marketplace.delivery.services import erase_tables, refresh_table, sweep_files
from tests.builders_delivery import bearer, buy_token, day_start, make_stocked_listing, minutes
from tests.builders_money import at_once
from tests.delivery.conftest import Bought
from tests.delivery.official import Reader, reader_of
from tests.delivery.test_sharing import error_of, fetch, lines

pytestmark = pytest.mark.django_db

ENVELOPES = """
import json, sys
import delta_sharing
frame = delta_sharing.load_as_pandas(f"{sys.argv[1]}#{sys.argv[2]}", **json.loads(sys.argv[3]))
rows = zip(frame["device"], frame["sequence"], frame["key_id"], frame["envelope"])
print(json.dumps([[row[0], int(row[1]), row[2], bytes(row[3]).hex()] for row in rows]))
"""


def query(client: Client, bought: Bought, body: Any = None, text: str = "") -> Any:
    path = f"{bought.table.removesuffix('readings')}Evidence/query"
    content = json.dumps(body or {})
    return client.post(path, content, content_type="application/json", headers=bearer(text or bought.text))


def envelopes(client: Client, answer: Any) -> polars.DataFrame:
    return polars.concat([fetch(client, line["file"]["url"]) for line in lines(answer)[2:]])


def test_gives_the_envelopes_as_the_device_signed_them(client: Client, bought: Bought) -> None:
    bought.sender.send(minutes(day_start(bought.at, 2), 5), bought.at)
    refresh_table(listing=bought.listing, at=bought.at)
    answer = query(client, bought)
    rows = envelopes(client, answer)
    batches = Batch.objects.order_by("sequence")
    assert rows["envelope"].to_list() == [batch.original_envelope for batch in batches]
    assert rows["received_at"].to_list() == [batch.received_at for batch in batches]
    assert rows.select("device", "sequence").rows() == [("device-1", 1), ("device-1", 2)]
    for envelope, key_id in rows.select("envelope", "key_id").rows():
        opened = open_envelope(envelope)
        verify_envelope(opened, bytes(bought.sender.key.verify_key))
        assert opened.key_id.hex() == key_id
    metadata = lines(answer)[1]["metaData"]
    assert metadata["name"] == "evidence"
    assert [field["name"] for field in json.loads(metadata["schemaString"])["fields"]] == rows.columns
    # What the envelopes show is what is counted.
    assert [read.row_count for read in Read.objects.all()] == [65]


def test_its_files_are_made_once_for_all_who_ask_at_a_time(client: Client, bought: Bought) -> None:
    first = query(client, bought)
    assert query(client, bought).content.splitlines()[1] == first.content.splitlines()[1]
    assert EvidenceFile.objects.count() == 1
    assert Read.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_set_of_files(bought: Bought) -> None:
    grant = authorise(token=bought.text, at=bought.at)
    one, other = at_once([partial(evidence_table.evidence_files, grant, at=bought.at)] * 2)
    assert one == other
    stored = EvidenceFile.objects.get()
    assert default_storage.exists(stored.path)


def test_many_envelopes_lie_in_several_files(client: Client, bought: Bought, monkeypatch: pytest.MonkeyPatch) -> None:
    bought.sender.send(minutes(day_start(bought.at, 2), 5), bought.at)
    refresh_table(listing=bought.listing, at=bought.at)
    monkeypatch.setattr(evidence_table, "_FILE_BYTES", 1)
    answer = query(client, bought)
    assert len(lines(answer)) == 4
    assert envelopes(client, answer)["sequence"].to_list() == [1, 2]
    assert len(lines(query(client, bought, {"limitHint": 1}))) == 3
    assert len(lines(query(client, bought, {"limitHint": 0}))) == 2
    assert [read.row_count for read in Read.objects.order_by("id")] == [65, 65, 0]


def test_a_narrower_token_gets_no_envelope_that_shows_more(client: Client, bought: Bought) -> None:
    start = day_start(bought.at, 1) + timedelta(hours=10)
    narrowing = Narrowing(window_from=start + timedelta(minutes=5))
    _, text = issue_token(purchase=bought.token.purchase, at=bought.at, narrowing=narrowing)
    whole = lines(query(client, bought))[2]["file"]
    assert len(lines(query(client, bought, text=text))) == 2
    assert [read.row_count for read in Read.objects.order_by("id")] == [60, 0]
    assert fetch(client, whole["url"]).height == 1


def test_only_raw_readings_have_it(client: Client, sara: User, ben: User) -> None:
    at = timezone.now()
    sender, listing = make_stocked_listing(sara, at, resolution="15min")
    token, text = buy_token(listing, ben, at)
    bought = Bought(sender, listing, token, text, at)
    assert error_of(query(client, bought)) == (404, "RESOURCE_DOES_NOT_EXIST")
    tables = client.get(f"/delta-sharing/shares/{listing.share_name}/all-tables", headers=bought.headers)
    assert [table["name"] for table in tables.json()["items"]] == ["readings"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"startingVersion": 1}, "UNSUPPORTED_OPERATION"),
        ({"version": 1}, "RESOURCE_GONE"),
        ({"version": 7}, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_has_no_changes_and_no_older_versions(client: Client, bought: Bought, body: Any, code: str) -> None:
    later = bought.at + timedelta(seconds=1)
    bought.sender.send(minutes(day_start(bought.at, 2), 5), later)
    refresh_table(listing=bought.listing, at=later)
    assert error_of(query(client, bought, body)) == (400, code)
    assert not Read.objects.exists()


def test_changes_are_refused(client: Client, bought: Bought) -> None:
    path = f"{bought.table.removesuffix('readings')}evidence/changes?startingVersion=1"
    assert error_of(client.get(path, headers=bought.headers)) == (400, "UNSUPPORTED_OPERATION")


def test_files_are_swept_and_erased(client: Client, bought: Bought, sara: User) -> None:
    query(client, bought)
    path = EvidenceFile.objects.get().path
    sweep_files(at=timezone.now() + timedelta(hours=5))
    assert EvidenceFile.objects.exists()
    sweep_files(at=timezone.now() + timedelta(hours=7))
    assert not EvidenceFile.objects.exists()
    assert not default_storage.exists(path)
    query(client, bought)
    assert EvidenceFile.objects.get().path in erase_tables(tables=DeliveryTable.objects.all(), at=timezone.now())
    assert not EvidenceFile.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_official_client_loads_it_in_both_forms(
    live_server: LiveServer, sara: User, ben: User, tmp_path: Path
) -> None:
    at = timezone.now()
    _, listing = make_stocked_listing(sara, at)
    readings = reader_of(listing, ben, at, live_server, tmp_path)
    reader = Reader(readings.profile, readings.table.replace(".readings", ".evidence"))
    batch = Batch.objects.get()
    key_id = open_envelope(batch.original_envelope).key_id.hex()
    for use_delta_format in (None, False):
        done = reader.run(ENVELOPES, reader.table, json.dumps({"use_delta_format": use_delta_format}))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [["device-1", 1, key_id, batch.original_envelope.hex()]]
