"""The protocol's endpoints, as a program sees them."""

import io
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import polars
import pytest
from django.db import connection
from django.http.response import HttpResponseBase
from django.test import Client
from django.test.utils import CaptureQueriesContext

from marketplace.delivery.doors import links
from marketplace.delivery.doors.links import Renewal
from marketplace.delivery.models import Read, Segment
from marketplace.delivery.services import refresh_table
from marketplace.delivery.tables.files import read_rows
from tests.builders_delivery import day_start
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db
ROOT = "/delta-sharing"


def query(client: Client, bought: Bought, body: Any = None, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    return client.post(
        f"{bought.table}/query", content, content_type="application/json", headers={**bought.headers, **headers}
    )


def lines(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.content
    assert response["Content-Type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in response.content.splitlines()]


def fetch(client: Client, url: str) -> polars.DataFrame:
    parts = urlsplit(url)
    response = client.get(f"{parts.path}?{parts.query}")
    assert response.status_code == 200
    return polars.read_parquet(io.BytesIO(body_of(response)))


def body_of(response: HttpResponseBase) -> bytes:
    return b"".join(response)


def error_of(response: Any) -> tuple[int, str]:
    content = response.json()
    assert set(content) == {"errorCode", "message"}
    assert content["message"]
    return response.status_code, content["errorCode"]


def test_lists_the_one_share(client: Client, bought: Bought) -> None:
    share = {"name": bought.listing.share_name, "id": str(bought.listing.public_id)}
    assert client.get(f"{ROOT}/shares", headers=bought.headers).json() == {"items": [share]}
    assert client.get(f"{ROOT}/shares/{share['name']}", headers=bought.headers).json() == {"share": share}


def test_lists_the_one_schema_and_its_tables(client: Client, bought: Bought) -> None:
    name, listing_id = bought.listing.share_name, str(bought.listing.public_id)
    share = f"{ROOT}/shares/{name}"
    about = {"schema": "data", "share": name, "shareId": listing_id}
    readings = {"name": "readings", **about, "id": listing_id}
    assert client.get(f"{share}/schemas", headers=bought.headers).json() == {"items": [{"name": "data", "share": name}]}
    for path in ("schemas/data/tables", "all-tables"):
        first, second = client.get(f"{share}/{path}", headers=bought.headers).json()["items"]
        assert first == readings
        assert second == {"name": "evidence", **about, "id": second["id"]}
        assert second["id"] != listing_id
        page = client.get(f"{share}/{path}", {"maxResults": 1}, headers=bought.headers).json()
        assert page["items"] == [first]
        page = client.get(f"{share}/{path}", {"pageToken": page["nextPageToken"]}, headers=bought.headers).json()
        assert page == {"items": [second]}


def test_lists_come_in_pages(client: Client, bought: Bought) -> None:
    empty = client.get(f"{ROOT}/shares?maxResults=0", headers=bought.headers).json()
    assert empty["items"] == []
    rest = client.get(f"{ROOT}/shares", {"pageToken": empty["nextPageToken"]}, headers=bought.headers).json()
    assert len(rest["items"]) == 1
    assert "nextPageToken" not in rest
    for wrong in ("maxResults=-1", "maxResults=x", "pageToken=x"):
        answer = client.get(f"{ROOT}/shares?{wrong}", headers=bought.headers)
        assert error_of(answer) == (400, "INVALID_PARAMETER_VALUE")


def test_names_are_read_without_regard_to_case(client: Client, bought: Bought) -> None:
    path = f"{ROOT}/shares/{bought.listing.share_name.upper()}/schemas/DATA/tables/Readings/metadata"
    assert client.get(path, headers=bought.headers).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "shares/other",
        "shares/other/schemas",
        "shares/{share}/schemas/other/tables",
        "shares/other/schemas/data/tables/readings/metadata",
        "shares/{share}/schemas/data/tables/other/version",
        "shares/{share}/schemas/data/tables/../metadata",
        "shares/../../etc/passwd",
        "shares/%2e%2e/schemas",
        "shares/",
        "",
        "nothing",
    ],
)
def test_any_other_name_is_not_found(client: Client, bought: Bought, path: str) -> None:
    address = f"{ROOT}/{path.format(share=bought.listing.share_name)}"
    assert error_of(client.get(address, headers=bought.headers)) == (404, "RESOURCE_DOES_NOT_EXIST")


def test_the_version_is_in_the_header(client: Client, bought: Bought) -> None:
    for response in (
        client.get(f"{bought.table}/version", headers=bought.headers),
        client.head(f"{bought.table}/version", headers=bought.headers),
        client.head(bought.table, headers=bought.headers),
    ):
        assert (response.status_code, response["Delta-Table-Version"]) == (200, "1")
    since = (bought.at - timedelta(hours=1)).isoformat()
    response = client.get(f"{bought.table}/version", {"startingTimestamp": since}, headers=bought.headers)
    assert response["Delta-Table-Version"] == "1"
    since = (bought.at + timedelta(hours=1)).isoformat()
    response = client.get(f"{bought.table}/version", {"startingTimestamp": since}, headers=bought.headers)
    assert error_of(response) == (400, "INVALID_PARAMETER_VALUE")


def test_metadata_describes_the_table(client: Client, bought: Bought) -> None:
    response = client.get(f"{bought.table}/metadata", headers=bought.headers)
    protocol, metadata = lines(response)
    assert response["Delta-Table-Version"] == "1"
    assert "delta-sharing-capabilities" not in response
    assert protocol == {"protocol": {"minReaderVersion": 1}}
    schema = json.loads(metadata["metaData"].pop("schemaString"))
    assert metadata["metaData"] == {
        "id": str(bought.listing.public_id),
        "name": "readings",
        "description": "Roof weather",
        "format": {"provider": "parquet"},
        "partitionColumns": [],
        "configuration": {"enableChangeDataFeed": "true"},
    }
    assert [(field["name"], field["type"]) for field in schema["fields"]] == [
        ("time", "timestamp"),
        ("device", "string"),
        ("air_temperature", "double"),
    ]
    assert schema["fields"][2]["metadata"]["unit"] == "Cel"


def test_a_query_gives_links_to_the_exact_rows(client: Client, bought: Bought) -> None:
    answer = query(client, bought)
    _, _, file = lines(answer)
    segment = Segment.objects.get()
    assert answer["Delta-Table-Version"] == "1"
    assert file["file"]["url"].startswith("http://testserver/delta-sharing/files/")
    assert (file["file"]["size"], file["file"]["version"]) == (segment.size, 1)
    assert bought.text not in file["file"]["url"]
    assert fetch(client, file["file"]["url"]).equals(read_rows(segment.path))


def test_each_query_is_one_read_however_many_files_are_fetched(client: Client, bought: Bought) -> None:
    url = lines(query(client, bought))[2]["file"]["url"]
    fetch(client, url)
    fetch(client, url)
    read = Read.objects.get()
    assert (read.purchase, read.token, read.door) == (bought.token.purchase, bought.token, "delta_sharing")
    assert (read.row_count, read.byte_count) == (60, Segment.objects.get().size)


def test_an_older_version_is_honoured_by_number_and_time(client: Client, bought: Bought) -> None:
    later = bought.at + timedelta(seconds=1)
    bought.sender.send([(day_start(bought.at, 1), "air_temperature", 1.0)], later)
    refresh_table(listing=bought.listing, at=later)
    rows = {}
    for name, body in {
        "newest": {},
        "first": {"version": 1},
        "then": {"timestamp": bought.at.isoformat()},
    }.items():
        answer = query(client, bought, body)
        files = [line["file"]["url"] for line in lines(answer) if "file" in line]
        rows[name, answer["Delta-Table-Version"]] = sum(fetch(client, url).height for url in files)
    assert rows == {("newest", "2"): 61, ("first", "1"): 60, ("then", "1"): 60}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "MALFORMED_REQUEST"),
        (b"[]", "MALFORMED_REQUEST"),
        ({"version": 7}, "INVALID_PARAMETER_VALUE"),
        ({"version": -1}, "INVALID_PARAMETER_VALUE"),
        ({"timestamp": "2001-01-01T00:00:00Z"}, "INVALID_PARAMETER_VALUE"),
        ({"timestamp": "never"}, "INVALID_PARAMETER_VALUE"),
        ({"version": 0}, "INVALID_PARAMETER_VALUE"),
        ({"version": 10**30}, "INVALID_PARAMETER_VALUE"),
        ({"version": 2**63}, "INVALID_PARAMETER_VALUE"),
        ({"startingVersion": 0}, "INVALID_PARAMETER_VALUE"),
        ({"startingVersion": 2}, "INVALID_PARAMETER_VALUE"),
        ({"startingVersion": 1, "version": 1}, "INVALID_PARAMETER_VALUE"),
        ({"endingVersion": 1}, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_refuses_a_query_that_cannot_be(client: Client, bought: Bought, body: Any, code: str) -> None:
    assert error_of(query(client, bought, body)) == (400, code)
    assert not Read.objects.exists()


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ("responseformat=delta,parquet", "responseformat=delta"),
        ("responseformat=delta", "responseformat=delta"),
        ("ResponseFormat=Parquet;readerfeatures=x", None),
        ("readerfeatures=x", None),
    ],
)
def test_answers_in_the_form_that_the_reader_takes(
    client: Client, bought: Bought, asked: str, answered: str | None
) -> None:
    headers = {"delta-sharing-capabilities": asked}
    for answer in (
        query(client, bought, **headers),
        client.get(f"{bought.table}/metadata", headers={**bought.headers, **headers}),
    ):
        protocol, metadata, *files = lines(answer)
        assert answer.get("delta-sharing-capabilities") == answered
        assert ("deltaProtocol" in protocol["protocol"]) == (answered is not None)
        assert ("deltaMetadata" in metadata["metaData"]) == (answered is not None)
        assert all(("deltaSingleAction" in file["file"]) == (answered is not None) for file in files)


def test_both_forms_name_the_same_rows(client: Client, bought: Bought) -> None:
    file = lines(query(client, bought))[2]["file"]
    told = lines(query(client, bought, **{"delta-sharing-capabilities": "responseformat=delta"}))
    add = told[2]["file"]["deltaSingleAction"]["add"]
    assert (add["size"], add["stats"]) == (file["size"], file["stats"])
    assert fetch(client, add["path"]).equals(fetch(client, file["url"]))
    schemas = {lines(query(client, bought))[1]["metaData"]["schemaString"]}
    assert schemas == {told[1]["metaData"]["deltaMetadata"]["schemaString"]}


def test_a_reader_of_an_unknown_form_is_told_so(client: Client, bought: Bought) -> None:
    headers = {"delta-sharing-capabilities": "responseformat=iceberg"}
    assert error_of(query(client, bought, **headers)) == (400, "UNSUPPORTED_OPERATION")
    answer = client.get(f"{bought.table}/metadata", headers={**bought.headers, **headers})
    assert error_of(answer) == (400, "UNSUPPORTED_OPERATION")
    assert not Read.objects.exists()


def test_a_query_takes_few_database_queries(client: Client, bought: Bought) -> None:
    query(client, bought)
    with CaptureQueriesContext(connection) as queries:
        query(client, bought)
    # Version, files, units, and the note of the read; the token with its terms is a prepared statement.
    assert len(queries) == 4


def test_hints_only_make_the_answer_smaller(client: Client, bought: Bought) -> None:
    bought.sender.send([(day_start(bought.at), "air_temperature", 1.0)], bought.at)
    refresh_table(listing=bought.listing, at=bought.at)

    def file_count(body: dict[str, Any]) -> int:
        return len(lines(query(client, bought, body))) - 2

    today = {"op": "literal", "value": day_start(bought.at).isoformat(), "valueType": "timestamp"}
    time = {"op": "column", "name": "time", "valueType": "timestamp"}
    assert file_count({}) == 2
    assert file_count({"limitHint": 1}) == 1
    assert file_count({"limitHint": 61}) == 2
    assert file_count({"limitHint": 0}) == 0
    for op, left, right, count in [
        ("greaterThanOrEqual", time, today, 1),
        ("lessThan", time, today, 1),
        ("greaterThan", today, time, 1),
        ("greaterThan", time, today, 0),
        ("lessThanOrEqual", time, today, 2),
        ("equal", time, today, 1),
        ("nonsense", time, today, 2),
    ]:
        hint = {"op": op, "children": [left, right]}
        assert file_count({"jsonPredicateHints": json.dumps(hint)}) == count, op
    for wrong in ("{", "[]", '{"op": "and"}', '{"op": "and", "children": [5]}'):
        assert file_count({"jsonPredicateHints": wrong, "predicateHints": ["time >"]}) == 2


def test_sql_conditions_are_hints_too(client: Client, bought: Bought) -> None:
    bought.sender.send([(day_start(bought.at), "air_temperature", 1.0)], bought.at)
    refresh_table(listing=bought.listing, at=bought.at)
    today, noon = day_start(bought.at), (day_start(bought.at) - timedelta(hours=12)).replace(tzinfo=None)
    for conditions, count in [
        ([f"time >= '{today.isoformat()}'"], 1),
        ([f"`time` < TIMESTAMP '{today.isoformat()}'"], 1),
        ([f"time<=CAST('{today.isoformat()}' AS TIMESTAMP)"], 2),
        ([f"time >= '{today.isoformat()}'", f"time < '{today.isoformat()}'"], 0),
        # Noon of whose clock, nobody knows: both days may match.
        ([f"time >= '{noon}'"], 2),
        ([f"time = '{noon.date() - timedelta(days=3)}'"], 0),
        (["time >=", "device = 'x'", 5, None, "time = 'never'", "1=1; DROP TABLE x", "time > '0001-01-01'"], 2),
        ("time < '2001-01-01'", 2),
    ]:
        answer = query(client, bought, {"predicateHints": conditions})
        assert len(lines(answer)) - 2 == count, conditions


END = {"delta-sharing-capabilities": "responseformat=parquet;includeEndStreamAction=true"}


def test_a_reader_that_is_not_done_renews_its_links_and_is_counted_once(client: Client, bought: Bought) -> None:
    answer = query(client, bought, {"includeRefreshToken": True}, **END)
    assert answer["delta-sharing-capabilities"] == "responseformat=parquet;includeEndStreamAction=true"
    *_, file, end = lines(answer)
    token = end["endStreamAction"]["refreshToken"]
    assert end["endStreamAction"]["minUrlExpirationTimestamp"] == file["file"]["expirationTimestamp"]
    later = bought.at + timedelta(seconds=1)
    bought.sender.send([(day_start(bought.at, 1), "air_temperature", 1.0)], later)
    refresh_table(listing=bought.listing, at=later)

    again = query(client, bought, {"refreshToken": token, "includeRefreshToken": True}, **END)

    assert again["Delta-Table-Version"] == "1"
    assert lines(again)[2]["file"]["id"] == file["file"]["id"]
    assert Read.objects.count() == 1
    assert fetch(client, lines(again)[2]["file"]["url"]).height == 60
    # Other files than those that were counted are another read.
    none = query(client, bought, {"refreshToken": token, "limitHint": 0}, **END)
    assert "refreshToken" not in lines(none)[-1]["endStreamAction"]
    assert Read.objects.count() == 2


def test_a_refresh_token_is_the_access_tokens_own_and_lives_an_hour(
    client: Client, bought: Bought, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = lines(query(client, bought, {"includeRefreshToken": True}, **END))[-1]["endStreamAction"]["refreshToken"]
    foreign = Renewal(bought.token.purchase.public_id, 1, "", int(bought.at.timestamp())).text
    for wrong in (token[:-1], "nonsense", foreign):
        assert error_of(query(client, bought, {"refreshToken": wrong})) == (400, "INVALID_PARAMETER_VALUE")
    monkeypatch.setattr(links, "RENEWAL_SECONDS", -1)
    assert error_of(query(client, bought, {"refreshToken": token})) == (400, "INVALID_PARAMETER_VALUE")
    assert Read.objects.count() == 1


def test_nobody_gets_a_last_line_unasked(client: Client, bought: Bought) -> None:
    assert len(lines(query(client, bought, {"includeRefreshToken": True}))) == 3


@pytest.mark.parametrize(("method", "path"), [("post", "metadata"), ("get", "query"), ("delete", "version")])
def test_refuses_other_methods(client: Client, bought: Bought, method: str, path: str) -> None:
    answer = getattr(client, method)(f"{bought.table}/{path}", headers=bought.headers)
    assert error_of(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer["Allow"]
