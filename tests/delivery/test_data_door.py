"""The table as one file: every form holds the same values, ranges make the same bytes, and one download counts once."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from datetime import UTC, datetime, timedelta
from datetime import timezone as zone
from functools import partial
from pathlib import Path
from typing import Any

import polars
import pytest
import time_machine
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from devices.verify import BAD, NOT_ALL
from devices.verify import main as verify_origin
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.exports import making
from marketplace.delivery.exports.formats import FORMS, Format
from marketplace.delivery.models import DeliveryTable, Export, ExportRead, Read
from marketplace.delivery.services import refresh_table
from marketplace.delivery.tables.sweeping import erase_tables, sweep_files
from marketplace.delivery.tasks import make_export_task, sweep_files_task
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Purchase
from tests.builders import EURO
from tests.builders_delivery import FREE, buy_token, day_start, make_stocked_listing, minutes
from tests.builders_money import at_once, fill_wallet
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def bought(sara: User, ben: User) -> Bought:
    """Three days, the last of them in a file of its own; two things measured, the second not always."""
    at = timezone.now()
    start = day_start(at, 3) + 23 * HOUR
    readings = minutes(start, 30 * 60) + minutes(start + HOUR, 90, "humidity")
    sender, listing = make_stocked_listing(
        sara, at, readings=readings, plans=[FREE], fields=["air_temperature", "humidity"]
    )
    token, text = buy_token(listing, ben, at)
    return Bought(sender, listing, token, text, at)


def address(bought: Bought, query: str = "") -> str:
    return f"/data/{bought.token.purchase.public_id}/readings{query}"


def get(client: Client, bought: Bought, query: str = "", **headers: str) -> Any:
    return client.get(address(bought, query), headers={**bought.headers, **headers})


def body(response: Any) -> bytes:
    return b"".join(response) if response.streaming else response.content


def parse(form: Format, content: bytes) -> polars.DataFrame:
    time = polars.col("time").str.to_datetime("%Y-%m-%dT%H:%M:%S%.6fZ", time_unit="us", time_zone="UTC")
    if form is Format.PARQUET:
        return polars.read_parquet(io.BytesIO(content))
    if form is Format.ARROW:
        return polars.read_ipc_stream(io.BytesIO(content))
    if form is Format.CSV:
        return polars.read_csv(io.BytesIO(content), infer_schema_length=None).with_columns(time)
    if form is Format.NDJSON:
        return polars.read_ndjson(io.BytesIO(content), infer_schema_length=None).with_columns(time)
    records = polars.DataFrame(json.loads(content), infer_schema_length=None)
    wide = records.pivot("n", index=["t", "bn"], values="v", aggregate_function="first", maintain_order=True)
    micros = (polars.col("t") * 1_000_000).round().cast(polars.Int64)
    return wide.select(
        micros.cast(polars.Datetime("us", "UTC")).alias("time"),
        polars.col("bn").str.strip_suffix("/").alias("device"),
        "air_temperature",
        "humidity",
    )


def sent(bought: Bought) -> polars.DataFrame:
    """What the device sent, put into the table's shape by other means than ours."""
    start = day_start(bought.at, 3) + 23 * HOUR
    rows = [
        {"time": start + timedelta(minutes=n), "device": "device-1", "air_temperature": 20 + n / 7}
        | {"humidity": 20 + (n - 60) / 7 if 60 <= n < 150 else None}
        for n in range(30 * 60)
    ]
    return polars.DataFrame(rows, schema_overrides={"time": polars.Datetime("us", "UTC")}, infer_schema_length=None)


@pytest.mark.parametrize("form", list(Format))
def test_every_form_holds_the_very_values(client: Client, bought: Bought, form: Format) -> None:
    response = get(client, bought, f"?format={form}")
    content = body(response)
    assert (response.status_code, response["Content-Type"]) == (200, FORMS[form].media_type)
    assert int(response["Content-Length"]) == len(content)
    rows = parse(form, content).sort("time")
    assert rows.equals(sent(bought).select(rows.columns))
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert response["Content-Digest"] == response["Repr-Digest"] == f"sha-256=:{digest}:"
    assert response["Content-Disposition"].endswith(
        f'-v1-{hashlib.sha256(content).hexdigest()[:8]}.{FORMS[form].suffix}"'
    )
    assert Read.objects.get().row_count == 1800


def test_each_content_has_a_name_of_its_own(client: Client, bought: Bought) -> None:
    queries = ("?format=csv", "?format=csv&columns=humidity", "?format=csv&version=1")
    whole, part, again = (get(client, bought, query)["Content-Disposition"] for query in queries)
    assert whole == again != part


def test_the_accept_header_chooses_the_form(client: Client, bought: Bought) -> None:
    for accepted, media_type in (
        ("text/csv", "text/csv"),
        ("application/x-ndjson;q=0.5, application/senml+json", "application/senml+json"),
        ("*/*", "application/vnd.apache.parquet"),
    ):
        assert get(client, bought, Accept=accepted)["Content-Type"].startswith(media_type)
    assert get(client, bought, "?format=CSV", Accept="image/png")["Content-Type"].startswith("text/csv")
    for query, accepted in (("", "image/png"), ("?format=xlsx", "*/*")):
        refused = get(client, bought, query, Accept=accepted)
        assert (refused.status_code, refused.json()["errorCode"]) == (406, "form_not_offered")
        assert "parquet" in refused.json()["message"]


def test_a_part_by_time_and_columns(client: Client, bought: Bought) -> None:
    start = day_start(bought.at, 2)
    elsewhere = (start + HOUR).astimezone(zone(9 * HOUR)).isoformat()
    borders = f"from={start:%Y-%m-%dT%H:%M:%S}Z&until={elsewhere.replace('+', '%2B')}"
    lines = list(csv.reader(io.StringIO(body(get(client, bought, f"?format=csv&columns=humidity&{borders}")).decode())))
    assert lines[0] == ["time", "device", "humidity"]
    assert len(lines) == 61
    assert lines[1] == [start.strftime("%Y-%m-%dT%H:%M:%S.000000Z"), "device-1", "20.0"]
    assert Read.objects.get().row_count == 60


@pytest.mark.parametrize("form", list(Format))
def test_nothing_in_the_span_is_an_empty_file_of_the_same_shape(client: Client, bought: Bought, form: Format) -> None:
    content = body(get(client, bought, f"?format={form}&until=1999-01-01"))
    if form in {Format.NDJSON, Format.SENML}:
        assert content in {b"", b"[\n]\n"}
    else:
        rows = polars.read_csv(io.BytesIO(content)) if form is Format.CSV else parse(form, content)
        assert (rows.columns, rows.height) == (["time", "device", "air_temperature", "humidity"], 0)


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?columns=secret", 400, "column_unknown"),
        ("?columns=time", 400, "column_unknown"),
        ("?from=yesterday", 400, "span_invalid"),
        ("?from=2026-02-01&until=2026-01-01", 400, "span_invalid"),
        ("?version=99", 400, "INVALID_PARAMETER_VALUE"),
        ("?version=-1", 400, "INVALID_PARAMETER_VALUE"),
        ("?version=%C2%B2", 400, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_refuses_what_cannot_be_and_counts_nothing(
    client: Client, bought: Bought, query: str, status: int, code: str
) -> None:
    refused = get(client, bought, query)
    assert (refused.status_code, refused.json()["errorCode"]) == (status, code)
    assert not Read.objects.exists()
    assert Purchase.objects.get().clock_started_at is None


def test_ranges_make_the_same_bytes_and_count_once(client: Client, bought: Bought) -> None:
    far = get(client, bought, "?format=csv", Range="bytes=999999999-")
    assert (far.status_code, Read.objects.count()) == (416, 0)
    whole = get(client, bought, "?format=csv")
    content = body(whole)
    first = get(client, bought, "?format=csv", Range="bytes=0-999")
    rest = get(client, bought, "?format=csv", Range="bytes=1000-", **{"If-Range": first["ETag"]})
    assert (first.status_code, rest.status_code) == (206, 206)
    assert body(first) + body(rest) == content
    assert rest["Content-Range"] == f"bytes 1000-{len(content) - 1}/{len(content)}"
    assert "Content-Digest" not in rest
    assert rest["Repr-Digest"] == whole["Repr-Digest"]
    beyond = get(client, bought, "?format=csv", Range=f"bytes={len(content)}-")
    assert (beyond.status_code, beyond["Content-Range"]) == (416, f"bytes */{len(content)}")
    assert Read.objects.count() == 1
    changed = get(client, bought, "?format=csv", Range="bytes=1000-", **{"If-Range": '"other"'})
    assert (changed.status_code, body(changed)) == (200, content)


def test_head_says_it_all_and_counts_nothing(client: Client, bought: Bought) -> None:
    head = client.head(address(bought, "?format=csv"), headers=bought.headers)
    assert not Read.objects.exists()
    whole = get(client, bought, "?format=csv")
    for name in ("ETag", "Content-Length", "Repr-Digest", "Content-Type", "Accept-Ranges"):
        assert head[name] == whole[name]
    for known in (whole["ETag"], f'"other", {whole["ETag"]}', f"W/{whole['ETag']}", "*"):
        again = get(client, bought, "?format=csv", **{"If-None-Match": known})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", whole["ETag"])
    assert get(client, bought, "?format=csv", **{"If-Match": '"other"'}).status_code == 412
    assert Read.objects.count() == 1


def test_the_same_download_a_day_later_is_another(client: Client, bought: Bought) -> None:
    body(get(client, bought))
    Read.objects.update(at=bought.at - making.KEPT_FOR - HOUR)
    body(get(client, bought))
    assert (Read.objects.count(), ExportRead.objects.count()) == (2, 1)


def test_a_new_version_is_a_new_file_and_the_old_one_can_be_asked_for(client: Client, bought: Bought) -> None:
    before = get(client, bought, "?format=csv")
    content = body(before)
    bought.sender.send([(day_start(bought.at, 4), "air_temperature", 1.5)], bought.at)
    refresh_table(listing=bought.listing, at=bought.at + timedelta(seconds=1))
    now = get(client, bought, "?format=csv")
    assert (now["Delta-Table-Version"], now["ETag"] == before["ETag"]) == ("2", False)
    assert len(body(now).splitlines()) == len(content.splitlines()) + 1
    assert body(get(client, bought, "?format=csv&version=1")) == content


def test_strangers_and_other_purchases_are_not_there(client: Client, bought: Bought, mallory: User) -> None:
    _, other = buy_token(bought.listing, mallory, bought.at)
    other_headers = {"Authorization": f"Bearer {other}"}
    foreign = client.get(address(bought), headers=other_headers)
    unknown = client.get("/data/00000000-0000-0000-0000-000000000000/readings", headers=other_headers)
    assert (foreign.status_code, foreign.content) == (unknown.status_code, unknown.content)
    assert foreign.status_code == 404
    assert client.get(address(bought)).status_code == 401
    assert client.get(address(bought), headers={"Authorization": f"Bearer {bought.text[:-3]}"}).status_code == 401
    assert client.post(address(bought), headers=bought.headers).status_code == 405
    withdraw_consent(consent=bought.listing.consent, at=timezone.now())
    gone = get(client, bought)
    assert (gone.status_code, gone.json()["errorCode"]) == (403, "consent_withdrawn")
    assert not Read.objects.exists()
    assert not Export.objects.exists()


def test_a_download_is_cut_when_the_consent_is_withdrawn(
    client: Client, bought: Bought, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("marketplace.delivery.tables.files.CHUNK_BYTES", 1000)
    monkeypatch.setattr("marketplace.delivery.doors.downloads.ASK_AGAIN_SECONDS", 0)
    response = get(client, bought, "?format=csv")
    chunks = iter(response)
    assert len(next(chunks)) == 1000
    withdraw_consent(consent=bought.listing.consent, at=timezone.now())
    assert list(chunks) == []


def test_a_large_one_is_made_by_the_worker(client: Client, bought: Bought, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "AT_ONCE", 10)
    asked: list[Any] = []
    monkeypatch.setattr(make_export_task, "apply_async", lambda args, **_: asked.append(args))
    query = f"?format=csv&columns=humidity&from={day_start(bought.at, 2):%Y-%m-%d}"
    waiting = get(client, bought, query)
    assert (waiting.status_code, waiting.json()["errorCode"], waiting["Retry-After"]) == (503, "export_under_way", "2")
    assert not Read.objects.exists()
    make_export_task(*json.loads(json.dumps(asked[0])))
    done = get(client, bought, query)
    assert (done.status_code, len(body(done).splitlines())) == (200, 91)
    make_export_task(*asked[0])
    assert (Export.objects.get().row_count, Read.objects.get().row_count) == (90, 90)


def test_of_a_token_that_ended_the_worker_makes_nothing(
    client: Client, bought: Bought, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "AT_ONCE", 0)
    asked: list[Any] = []
    monkeypatch.setattr(make_export_task, "apply_async", lambda args, **_: asked.append(args))
    get(client, bought)
    withdraw_consent(consent=bought.listing.consent, at=timezone.now())
    make_export_task(*asked[0])
    assert Export.objects.get().ready_at is None


def test_whoever_finds_it_being_made_waits_and_takes_over_from_the_dead(client: Client, bought: Bought) -> None:
    client.head(address(bought), headers=bought.headers)
    made = Export.objects.get()
    Export.objects.update(ready_at=None, path="", sha256=None, claimed_at=timezone.now())
    assert get(client, bought).status_code == 503
    Export.objects.update(claimed_at=timezone.now() - timedelta(minutes=2))
    assert body(get(client, bought)) == default_storage.open(made.path).read()


def test_a_failure_in_the_middle_leaves_no_claim_and_no_file(
    client: Client, bought: Bought, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "save", partial(_fail, "the disk is full"))
        with pytest.raises(OSError, match="full"):
            get(client, bought)
    assert Export.objects.get().claimed_at is None
    assert get(client, bought).status_code == 200


def _fail(reason: str, *_: Any) -> str:
    raise OSError(reason)


def test_files_that_nobody_asks_for_are_swept(client: Client, bought: Bought) -> None:
    body(get(client, bought))
    path = Export.objects.get().path
    with time_machine.travel(bought.at + making.KEPT_FOR - HOUR, tick=False):
        sweep_files_task()
        assert default_storage.exists(path)
    with time_machine.travel(bought.at + making.KEPT_FOR + HOUR, tick=False):
        sweep_files_task()
    assert not default_storage.exists(path)
    assert not Export.objects.exists()
    assert Read.objects.count() == 1


def test_an_erasure_takes_the_files_with_it(client: Client, bought: Bought, sara: User) -> None:
    body(get(client, bought))
    path = Export.objects.get().path
    assert path in erase_tables(tables=DeliveryTable.objects.all(), at=timezone.now())
    assert not Export.objects.exists()


def test_the_bill_is_the_rows_once(client: Client, sara: User, ben: User) -> None:
    at = datetime.now(UTC)
    fill_wallet(ben, 50, at)
    metered = PlanTerms("metered", micros_per_1000_rows=EURO)
    sender, listing = make_stocked_listing(sara, at, plans=[metered])
    token, text = buy_token(listing, ben, at)
    bought = Bought(sender, listing, token, text, at)
    for _ in range(3):
        body(get(client, bought, "?format=csv"))
    assert [read.row_count for read in Read.objects.all()] == [60]


def test_the_proof_is_linked(client: Client, bought: Bought) -> None:
    link = get(client, bought, "?format=csv")["Link"]
    assert link.endswith('; rel="proof"')
    evidence = client.get(link[1 : link.index(">")], headers=bought.headers)
    assert (evidence.status_code, body(evidence)[:1]) == (200, b"{")


@pytest.mark.parametrize("form", [Format.CSV, Format.NDJSON, Format.SENML])
def test_the_devices_own_signatures_prove_it(client: Client, bought: Bought, form: Format, tmp_path: Path) -> None:
    response = get(client, bought, f"?format={form}")
    download, evidence = tmp_path / "download", tmp_path / "evidence"
    download.write_bytes(body(response))
    proof = response["Link"].removeprefix("<").partition(">")[0]
    evidence.write_bytes(body(client.get(proof, headers=bought.headers)))
    # Not final: no witness has cosigned the log of this test.
    assert verify_origin([str(download), str(evidence)]) == NOT_ALL
    download.write_bytes(download.read_bytes().replace(b"21.0", b"21.5", 1))
    assert verify_origin([str(download), str(evidence)]) == BAD


@pytest.mark.django_db(transaction=True)
def test_parallel_ranges_count_once(sara: User, ben: User) -> None:
    bought = parallel(sara, ben)
    Client().head(address(bought, "?format=csv"), headers=bought.headers)

    def fetch(number: int) -> bytes:
        return body(get(Client(), bought, "?format=csv", Range=f"bytes={number * 100}-{number * 100 + 99}"))

    answers = at_once([partial(fetch, number) for number in range(8)])
    assert all(isinstance(answer, bytes) and len(answer) == 100 for answer in answers)
    assert Read.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_whoever_asks_at_the_same_time_gets_the_one_file_or_is_told_to_wait(sara: User, ben: User) -> None:
    bought = parallel(sara, ben)
    answers = at_once([partial(get, Client(), bought, "?format=ndjson") for _ in range(8)])
    assert {getattr(answer, "status_code", answer) for answer in answers} <= {200, 503}
    made = Export.objects.get()
    with default_storage.open(made.path) as file:
        assert {body(answer) for answer in answers if answer.status_code == 200} == {file.read()}
    assert [read.row_count for read in Read.objects.all()] == [60]


def parallel(sara: User, ben: User) -> Bought:
    at = timezone.now()
    sender, listing = make_stocked_listing(sara, at)
    token, text = buy_token(listing, ben, at)
    return Bought(sender, listing, token, text, at)


def test_a_file_that_a_crash_left_without_a_row_is_swept(client: Client, bought: Bought) -> None:
    body(get(client, bought))
    kept = Export.objects.get().path
    left = default_storage.save("exports/aa/left.csv", ContentFile(b"by a crash"))
    sweep_files(at=timezone.now() + timedelta(hours=5))
    assert default_storage.exists(left)
    sweep_files(at=timezone.now() + timedelta(hours=7))
    assert (default_storage.exists(left), default_storage.exists(kept)) == (False, True)
