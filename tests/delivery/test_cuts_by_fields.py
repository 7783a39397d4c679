"""A token for some fields gets files that hold those and no others."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import polars
import pytest
from django.test import Client
from django.utils import timezone

from marketplace.access.services import Narrowing, authorise_token_id, issue_token
from marketplace.accounts.models import User
from marketplace.delivery.errors import NameUnknown
from marketplace.delivery.models import Read, SegmentCut
from marketplace.delivery.services import files_for
from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.windows import find_file
from marketplace.purchases.models import Purchase
from tests.builders_delivery import buy_token, day_start, make_stocked_listing
from tests.builders_money import at_once

pytestmark = pytest.mark.django_db
FIELDS = ["air_temperature", "humidity"]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def purchase(sara: User, ben: User) -> Purchase:
    """Ten minutes of temperature, and humidity in every second of them."""
    at = timezone.now()
    start = day_start(at, 1)
    sent = [(start + number * MINUTE, "air_temperature", number / 7) for number in range(10)]
    sent += [(start + number * MINUTE, "humidity", number / 3) for number in range(0, 10, 2)]
    _, listing = make_stocked_listing(sara, at, readings=sent, fields=FIELDS)
    return buy_token(listing, ben, at)[0].purchase


def rows_of(purchase: Purchase, at: datetime, **narrowing: Any) -> polars.DataFrame:
    token, _ = issue_token(purchase=purchase, at=at, narrowing=Narrowing(**narrowing))
    files = files_for(authorise_token_id(token.public_id, at), version=1)
    return read_rows(files[0].path)


def test_holds_the_token_s_fields_and_the_rows_that_have_them(purchase: Purchase) -> None:
    rows = rows_of(purchase, timezone.now(), fields=("humidity",))
    assert rows.columns == ["time", "device", "humidity"]
    assert rows["humidity"].to_list() == [number / 3 for number in range(0, 10, 2)]


def test_fields_and_window_together(purchase: Purchase) -> None:
    at = timezone.now()
    start = day_start(at, 1)
    rows = rows_of(
        purchase,
        at,
        fields=("humidity",),
        window_from=start + 2 * MINUTE,
        window_until=start + 6 * MINUTE,
    )
    assert rows["time"].to_list() == [start + 2 * MINUTE, start + 4 * MINUTE]


def test_one_cut_serves_all_tokens_of_the_same_fields(purchase: Purchase) -> None:
    at = timezone.now()
    for _ in range(2):
        rows_of(purchase, at, fields=("humidity",))
    rows_of(purchase, at, fields=("air_temperature",))
    rows_of(purchase, at, fields=tuple(FIELDS))
    assert SegmentCut.objects.count() == 2


def test_a_file_of_other_fields_is_not_found(purchase: Purchase) -> None:
    at = timezone.now()
    grants = [
        authorise_token_id(issue_token(purchase=purchase, at=at, narrowing=Narrowing(fields=fields))[0].public_id, at)
        for fields in (None, ("humidity",), ("air_temperature",))
    ]
    files = [files_for(grant, version=1)[0] for grant in grants]
    for number, grant in enumerate(grants):
        assert find_file(grant, files[number].public_id) == files[number]
        for other in files[:number] + files[number + 1 :]:
            with pytest.raises(NameUnknown):
                find_file(grant, other.public_id)


@pytest.mark.django_db(transaction=True)
def test_cuts_of_the_same_fields_at_once_are_one(purchase: Purchase) -> None:
    at = timezone.now()
    token, _ = issue_token(purchase=purchase, at=at, narrowing=Narrowing(fields=("humidity",)))
    grant = authorise_token_id(token.public_id, at)
    answers = at_once([lambda: files_for(grant, version=1)[0].public_id for _ in range(4)])
    assert set(answers) == {SegmentCut.objects.get().public_id}


def test_the_door_serves_what_the_token_opens(client: Client, purchase: Purchase) -> None:
    _, text = issue_token(
        purchase=purchase, at=timezone.now(), narrowing=Narrowing(fields=("humidity",), row_cap=8, rate_per_minute=4)
    )
    table = f"/delta-sharing/shares/{purchase.listing.share_name}/schemas/data/tables/readings"
    headers = {"Authorization": f"Bearer {text}"}

    def query() -> Any:
        return client.post(f"{table}/query", "{}", content_type="application/json", headers=headers)

    lines = [orjson.loads(line) for line in query().content.splitlines()]
    schema = orjson.loads(lines[1]["metaData"]["schemaString"])
    assert [field["name"] for field in schema["fields"]] == ["time", "device", "humidity"]
    content = b"".join(client.get(lines[2]["file"]["url"]))
    assert polars.read_parquet(content).columns == ["time", "device", "humidity"]
    refused = query()
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "token_rows_used_up")
    assert Read.objects.get().row_count == 5
    for _ in range(2):
        query()
    limited = query()
    assert (limited.status_code, limited.json()["errorCode"]) == (429, "rate_exceeded")
    assert 1 <= int(limited["Retry-After"]) <= 60
    assert "WWW-Authenticate" not in limited
