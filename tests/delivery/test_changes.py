"""What versions changed: the rows, in files of their own, and who may see them."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import polars
import pytest
from django.test import Client
from django.utils import timezone

from devices.models import ReadingFile
from marketplace.access.services import Grant, authorise
from marketplace.accounts.models import User
from marketplace.consents.services import Terms
from marketplace.delivery.models import Read, Segment
from marketplace.delivery.services import narrow_and_rebuild, refresh_table
from marketplace.delivery.tables.changes import compare_files, group_spans
from marketplace.delivery.tables.files import read_rows, write_rows
from marketplace.delivery.tables.spans import Span
from marketplace.delivery.windows import changes_for
from tests.builders_delivery import buy_token, day_start, make_stocked_listing, minutes
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def changes(grant: Grant, first: int, last: int) -> list[tuple[int, str, Any]]:
    """Return (version, kind, the row's time and values) of each changed row."""
    return [
        (file.version, kind.value, (row[0], *(repr(value) for value in row[2:])))
        for kind, file in changes_for(grant, first=first, last=last)
        for row in read_rows(file.path).rows()
    ]


def frame(rows: list[tuple[int, float | None]], now: datetime) -> polars.DataFrame:
    times = [now + number * MINUTE for number, _ in rows]
    values = [value for _, value in rows]
    schema: Any = {"time": polars.Datetime("us", "UTC"), "device": polars.String, "x": polars.Float64}
    return polars.DataFrame({"time": times, "device": ["device-1"] * len(rows), "x": values}, schema=schema)


def test_compares_rows_and_not_files(now: datetime) -> None:
    old = [write_rows(frame([(1, 1.0), (2, 2.0), (3, None)], now)).path, write_rows(frame([(4, 4.0)], now)).path]
    new = [write_rows(frame([(2, 2.5), (3, None), (4, 4.0), (5, 0.1)], now)).path]
    inserts, deletes = compare_files(old, new)
    assert inserts.rows() == frame([(2, 2.5), (5, 0.1)], now).rows()
    assert repr(deletes.rows()) == repr(frame([(1, float("nan")), (2, float("nan"))], now).rows())
    unseen, gone = compare_files(old, [])
    assert unseen.is_empty()
    assert [row[2] is None for row in gone.rows()] == [False, False, True, False]
    assert [part.height for part in compare_files(new, new)] == [0, 0]


def test_only_files_whose_days_touch_are_compared() -> None:
    def span(first: int, end: int) -> Span:
        start = datetime(2026, 3, 1).date()
        return Span(start + timedelta(days=first), start + timedelta(days=end))

    old = [(span(0, 1), "a"), (span(1, 2), "b"), (span(5, 6), "c")]
    new = [(span(0, 2), "d"), (span(2, 3), "e"), (span(5, 6), "f")]
    groups = [(group.span, group.old, group.new) for group in group_spans(old, new)]
    assert groups == [(span(0, 2), ["a", "b"], ["d"]), (span(2, 3), [], ["e"]), (span(5, 6), ["c"], ["f"])]


def test_files_put_together_change_nothing(sara: User, ben: User, now: datetime) -> None:
    """Days that are over share a file; the rows are the same."""
    sender, listing = make_stocked_listing(sara, now, readings=minutes(day_start(now) - MINUTE, 2))
    _, text = buy_token(listing, ben, now)
    later = now + timedelta(days=30)
    sender.send(minutes(later, 1), later)
    assert refresh_table(listing=listing, at=later).version == 2
    grant = replace(authorise(token=text, at=now), window_until=later + HOUR)
    assert list(Segment.objects.filter(added_version=1).values_list("removed_version", flat=True)) == [2, 2]
    assert Segment.objects.filter(added_version=2).count() == 2
    assert [version for version, _, _ in changes(grant, 1, 2)] == [1, 1, 2]


def test_rows_that_are_gone_are_named_without_their_values(sara: User, ben: User, now: datetime) -> None:
    start = day_start(now, 2)
    _, listing = make_stocked_listing(sara, now, readings=[*minutes(start, 2), *minutes(start + timedelta(days=1), 1)])
    _, text = buy_token(listing, ben, now)
    ReadingFile.objects.filter(day=start.date()).delete()
    assert refresh_table(listing=listing, at=now + HOUR).version == 2
    grant = authorise(token=text, at=now + HOUR)
    assert changes(grant, 2, 2) == [(2, "remove", (start, "nan")), (2, "remove", (start + MINUTE, "nan"))]
    # A buyer who came later never had them.
    grant.purchase.purchased_at = now + 2 * HOUR
    assert changes(grant, 2, 2) == []


def test_changes_stay_inside_window_and_fields(sara: User, ben: User, now: datetime) -> None:
    sent = minutes(now - 5 * MINUTE, 5) + minutes(now - 5 * MINUTE, 2, "humidity")
    sender, listing = make_stocked_listing(sara, now, readings=sent, fields=["air_temperature", "humidity"])
    _, text = buy_token(listing, ben, now)
    sender.send([(now - 4 * MINUTE, "humidity", 9.5), (now - 3 * MINUTE, "air_temperature", 8.5)], now + HOUR)
    sender.send(minutes(now + MINUTE, 1), now + HOUR)
    refresh_table(listing=listing, at=now + HOUR)
    whole = authorise(token=text, at=now + HOUR)
    assert [(kind, row[0]) for version, kind, row in changes(whole, 2, 2)] == [
        ("remove", now - 4 * MINUTE),
        ("remove", now - 3 * MINUTE),
        ("add", now - 4 * MINUTE),
        ("add", now - 3 * MINUTE),
    ]
    narrow = replace(whole, fields=("humidity",))
    assert changes(narrow, 2, 2) == [
        (2, "remove", (now - 4 * MINUTE, "nan")),
        (2, "add", (now - 4 * MINUTE, "9.5")),
    ]


def ask(client: Client, bought: Bought, **asked: Any) -> Any:
    return client.get(f"{bought.table}/changes", asked, headers=bought.headers)


def test_nothing_is_told_across_a_narrowing(client: Client, bought: Bought) -> None:
    consent = bought.listing.consent
    terms = Terms.of(consent)
    narrow_and_rebuild(
        consent=consent,
        terms=Terms(terms.fields, terms.purposes, "1h", terms.delay_seconds, terms.valid_until),
        at=timezone.now(),
    )
    waiting = ask(client, bought, startingVersion=1)
    assert (waiting.status_code, waiting.json()["errorCode"]) == (503, "TEMPORARILY_UNAVAILABLE")
    refresh_table(listing=bought.listing, at=timezone.now())
    gone = ask(client, bought, startingVersion=1)
    assert (gone.status_code, gone.json()["errorCode"]) == (400, "RESOURCE_GONE")
    assert not Read.objects.exists()


def test_a_query_since_a_version_tells_the_same_as_the_change_feed(client: Client, bought: Bought) -> None:
    told = ask(client, bought, startingVersion=1)
    asked = client.post(
        f"{bought.table}/query",
        json.dumps({"startingVersion": 1, "endingVersion": 9}),
        content_type="application/json",
        headers=bought.headers,
    )
    kinds = [[next(iter(json.loads(line))) for line in one.content.splitlines()] for one in (told, asked)]
    assert kinds == [["protocol", "metaData", "add"]] * 2
    assert (told["Delta-Table-Version"], asked["Delta-Table-Version"]) == ("1", "1")
    metadata, add = (json.loads(line) for line in told.content.splitlines()[1:])
    assert metadata["metaData"]["version"] == 1
    assert (add["add"]["version"], add["add"]["timestamp"]) == (1, int(bought.at.timestamp() * 1000))
    assert [read.row_count for read in Read.objects.all()] == [60, 60]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"startingVersion": 0},
        {"startingVersion": 2},
        {"startingVersion": "x"},
        {"startingVersion": 1, "endingVersion": 0},
        {"startingTimestamp": "2001-01-01T00:00:00Z", "endingTimestamp": "2001-01-02T00:00:00Z"},
        {"startingTimestamp": "9999-01-01T00:00:00Z"},
    ],
)
def test_refuses_changes_that_the_purchase_does_not_open(client: Client, bought: Bought, asked: dict[str, Any]) -> None:
    answer = ask(client, bought, **asked)
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_PARAMETER_VALUE")
    assert not Read.objects.exists()


def test_changes_of_another_purchase_are_not_found(client: Client, bought: Bought, sara: User) -> None:
    _, other = make_stocked_listing(sara, bought.at)
    path = bought.table.replace(bought.listing.share_name, other.share_name)
    answer = client.get(f"{path}/changes?startingVersion=1", headers=bought.headers)
    assert answer.status_code == 404
    assert client.get(f"{bought.table}/changes?startingVersion=1").status_code == 401
