"""A narrower consent counts from the next request on, at the table, its files and what everybody sees of it."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from marketplace.consents.services import Terms
from marketplace.delivery.models import DeliveryTable, Read, Segment
from marketplace.delivery.services import current_version, narrow_and_rebuild, refresh_table, sample_rows
from marketplace.delivery.tables.waiting import tables_to_refresh
from tests.builders_delivery import bearer, buy_token, day_start, make_stocked_listing, minutes
from tests.delivery.test_sharing import error_of, fetch, lines, query

pytestmark = pytest.mark.django_db


def narrow(listing, **change):
    listing.consent.refresh_from_db()
    terms = replace(Terms.of(listing.consent), **change)
    return narrow_and_rebuild(consent=listing.consent, terms=terms, at=timezone.now())


def links(answer):
    return [line["file"]["url"] for line in lines(answer) if "file" in line]


def test_nothing_of_before_is_delivered_until_the_table_is_made_anew(client, bought):
    (link,) = links(query(client, bought))
    first = DeliveryTable.objects.get()
    narrow(bought.listing, resolution="15min")

    answer = query(client, bought)
    assert error_of(answer) == (503, "TEMPORARILY_UNAVAILABLE")
    assert answer["Retry-After"] == "30"
    assert client.get(link).status_code == 404
    assert Read.objects.count() == 1
    assert sample_rows(listing=bought.listing, limit=10) == []
    assert bought.listing.pk in tables_to_refresh(timezone.now())

    refresh_table(listing=bought.listing, at=timezone.now())
    (fresh,) = links(query(client, bought))
    assert fetch(client, fresh).height == 4
    assert client.get(link).status_code == 404
    assert error_of(query(client, bought, {"version": first.version})) == (400, "RESOURCE_GONE")
    assert bought.listing.pk not in tables_to_refresh(timezone.now())


def test_a_field_that_is_taken_away_is_gone_from_columns_and_rows(client, sara, ben):
    at = timezone.now()
    start = day_start(at, 1) + timedelta(hours=10)
    readings = minutes(start, 60) + minutes(start, 60, "humidity")
    _, listing = make_stocked_listing(sara, at, readings=readings, fields=["air_temperature", "humidity"])
    _, text = buy_token(listing, ben, at)
    narrow(listing, fields=["humidity"])
    table = f"/delta-sharing/shares/{listing.share_name}/schemas/data/tables/readings"

    metadata = client.get(f"{table}/metadata", headers=bearer(text)).content.splitlines()[1]
    assert "air_temperature" not in metadata.decode()
    refresh_table(listing=listing, at=timezone.now())
    answer = client.post(f"{table}/query", b"{}", content_type="application/json", headers=bearer(text))
    (link,) = links(answer)
    assert fetch(client, link).columns == ["time", "device", "humidity"]
    listing.refresh_from_db()
    assert listing.measures == ["humidity"]


def test_what_stays_the_same_is_not_made_anew(client, bought):
    """A delay longer than nothing, on readings of yesterday: the same rows, in the same file."""
    before = Segment.objects.get()
    narrow(bought.listing, delay_seconds=3600)
    refresh_table(listing=bought.listing, at=timezone.now())
    after = Segment.objects.get()
    assert (after.pk, after.terms_number, before.terms_number) == (before.pk, 2, 1)
    assert len(links(query(client, bought))) == 1


def test_purposes_alone_leave_the_table_open(client, bought):
    consent = bought.listing.consent
    consent.purposes.append("Marketing")
    consent.save()
    version = current_version(bought.listing)
    narrow(bought.listing, purposes=["AcademicResearch"])
    assert len(links(query(client, bought))) == 1
    assert current_version(bought.listing) == version


def test_a_refresh_that_began_before_does_not_bring_the_old_rows_back(client, bought, monkeypatch):
    from marketplace.delivery.tables import refresh

    build = refresh._build_spans
    has_narrowed: list[object] = []

    def narrow_meanwhile(*given):
        built = build(*given)
        if not has_narrowed:
            has_narrowed.append(narrow(bought.listing, resolution="15min"))
        return built

    bought.sender.send(minutes(bought.at.replace(microsecond=0) - timedelta(minutes=40), 10), bought.at)
    monkeypatch.setattr(refresh, "_build_spans", narrow_meanwhile)
    refresh_table(listing=bought.listing, at=timezone.now())
    assert error_of(query(client, bought)) == (503, "TEMPORARILY_UNAVAILABLE")
    refresh_table(listing=bought.listing, at=timezone.now())
    assert sum(json.loads(line)["file"]["stats"] is not None for line in query(client, bought).content.splitlines()[2:])
