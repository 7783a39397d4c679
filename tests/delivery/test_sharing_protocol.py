import json
from datetime import UTC, datetime, timedelta

import pytest

from marketplace.delivery.errors import BodyMalformed, FormatUnsupported, RequestRefused
from marketplace.delivery.sharing import lines, protocol
from marketplace.delivery.sharing.protocol import Form

AT = datetime(2026, 3, 14, 9, 26, 53, 589793, tzinfo=UTC)


def test_the_schema_carries_units_in_the_columns_metadata() -> None:
    text = lines.schema_string(
        [
            lines.SchemaField("time", "timestamp", "", ""),
            lines.SchemaField("air_temperature", "double", "Cel", "air.temperature"),
        ]
    )
    assert json.loads(text) == {
        "type": "struct",
        "fields": [
            {"name": "time", "type": "timestamp", "nullable": False, "metadata": {}},
            {
                "name": "air_temperature",
                "type": "double",
                "nullable": True,
                "metadata": {"unit": "Cel", "source": "air.temperature"},
            },
        ],
    }


ACTION = lines.FileAction("http://x/f", "1f", 10, 3, AT, AT, version=4, added_at=AT, expires_at=AT + timedelta(1))
STATS = {
    "numRecords": 3,
    "minValues": {"time": "2026-03-14T09:26:53.589Z"},
    "maxValues": {"time": "2026-03-14T09:26:53.590Z"},
    "nullCount": {"time": 0, "device": 0},
}


def test_a_file_line_is_one_line_with_bounds_that_hold() -> None:
    line = lines.file_line(Form.PARQUET, ACTION)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    content = json.loads(line)["file"]
    assert content["timestamp"] == 1773480413589
    assert content["expirationTimestamp"] == 1773480413589 + 86_400_000
    assert json.loads(content["stats"]) == STATS


def test_a_file_line_in_delta_form_holds_an_action_of_a_log() -> None:
    content = json.loads(lines.file_line(Form.DELTA, ACTION))["file"]
    add = content.pop("deltaSingleAction")["add"]
    assert content == {
        "id": "1f",
        "size": 10,
        "version": 4,
        "timestamp": 1773480413589,
        "expirationTimestamp": 1773480413589 + 86_400_000,
    }
    assert json.loads(add.pop("stats")) == STATS
    assert add == {
        "path": "http://x/f",
        "partitionValues": {},
        "size": 10,
        "modificationTime": 1773480413589,
        "dataChange": True,
    }


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("", Form.PARQUET),
        ("readerfeatures=deletionvectors", Form.PARQUET),
        ("responseformat=parquet", Form.PARQUET),
        ("ResponseFormat= Parquet ;readerfeatures=x", Form.PARQUET),
        ("responseformat=delta", Form.DELTA),
        ("readerfeatures=x;responseformat=parquet, Delta", Form.DELTA),
    ],
)
def test_the_delta_form_goes_to_whoever_reads_it(header: str, form: Form) -> None:
    assert protocol.choose_form(header) is form


@pytest.mark.parametrize("header", ["responseformat=", "responseformat=iceberg", "responseformat"])
def test_a_reader_of_no_known_form_is_told_so(header: str) -> None:
    with pytest.raises(FormatUnsupported):
        protocol.choose_form(header)


def test_pages_lead_through_a_list() -> None:
    items = [{"name": str(number)} for number in range(5)]
    names, token = [], ""
    for _ in range(3):
        page = protocol.page(items, most="2", token=token)
        names += [item["name"] for item in page["items"]]
        token = page.get("nextPageToken", "")
    assert (names, token) == (["0", "1", "2", "3", "4"], "")


@pytest.mark.parametrize(("most", "token"), [("-1", ""), ("many", ""), ("1", "nonsense"), ("1", "OTk="), ("²", "")])
def test_refuses_a_page_that_is_none(most: str, token: str) -> None:
    with pytest.raises(RequestRefused):
        protocol.page([{"name": "a"}], most=most, token=token)


@pytest.mark.parametrize("body", [b"", b"{}", b" \n", b'{"version": null}'])
def test_an_empty_query_asks_for_everything(body: bytes) -> None:
    assert protocol.parse_query(body) == protocol.TableQuery()


def test_reads_a_query() -> None:
    query = protocol.parse_query(
        b'{"version": 3, "limitHint": 10, "jsonPredicateHints": "{}", "predicateHints": ["a"]}'
    )
    assert query == protocol.TableQuery(version=3, row_limit=10, json_predicate="{}", conditions=["a"])
    query = protocol.parse_query(b'{"timestamp": "2026-03-14T09:26:53Z"}')
    assert query.timestamp == datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


@pytest.mark.parametrize(
    "body", [b'{"limitHint": "x"}', b'{"limitHint": -1}', b'{"jsonPredicateHints": 5}', b'{"predicateHints": "x"}']
)
def test_a_hint_that_makes_no_sense_is_ignored(body: bytes) -> None:
    assert protocol.parse_query(body) == protocol.TableQuery()


@pytest.mark.parametrize("body", [b"{", b"[]", b"nonsense", b"\xff"])
def test_refuses_a_body_that_is_no_object(body: bytes) -> None:
    with pytest.raises(BodyMalformed):
        protocol.parse_query(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"version": "1"}',
        b'{"version": -1}',
        b'{"version": true}',
        b'{"version": 1.5}',
        b'{"timestamp": 5}',
        b'{"refreshToken": 5}',
        b'{"timestamp": "yesterday"}',
        b'{"version": 1, "timestamp": "2026-03-14T09:26:53Z"}',
    ],
)
def test_refuses_a_version_that_is_none(body: bytes) -> None:
    with pytest.raises(RequestRefused):
        protocol.parse_query(body)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"startingVersion": "0"}, protocol.ChangeRange(0, None)),
        (
            {"startingVersion": "3", "endingVersion": "4", "includeHistoricalMetadata": "True"},
            protocol.ChangeRange(3, 4),
        ),
        ({"startingTimestamp": "2026-03-14T09:26:53.589793Z", "endingVersion": "4"}, protocol.ChangeRange(AT, 4)),
        ({"startingVersion": "3", "endingTimestamp": AT.isoformat()}, protocol.ChangeRange(3, AT)),
    ],
)
def test_reads_which_changes_are_wanted(asked: dict[str, str], expected: protocol.ChangeRange) -> None:
    assert protocol.parse_changes(asked) == expected


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"endingVersion": "4"},
        {"startingVersion": "x"},
        {"startingVersion": "-1"},
        {"startingVersion": "9" * 30},
        {"startingVersion": "1", "startingTimestamp": "2026-03-14T09:26:53Z"},
        {"startingVersion": "1", "endingVersion": "2", "endingTimestamp": "2026-03-14T09:26:53Z"},
        {"startingTimestamp": "yesterday"},
    ],
)
def test_refuses_changes_that_are_none(asked: dict[str, str]) -> None:
    with pytest.raises(RequestRefused):
        protocol.parse_changes(asked)
