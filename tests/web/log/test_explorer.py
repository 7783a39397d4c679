from datetime import timedelta

import pytest
from django.core.cache import cache

from ledger.freezing import freeze_log
from ledger.models import Entry, WitnessMemory
from ledger.services import sequence_batch
from tests.builders_ledger import submit, submit_in_bulk

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _uncounted():
    cache.delete("web:log-entries-by-hour")


def text_of(client, query: str = "", status: int = 200) -> str:
    page = client.get(f"/log/{query}")
    assert page.status_code == status
    return page.content.decode()


def test_an_empty_log_says_what_will_be_here(client):
    assert "will be the first entry" in text_of(client)


def test_the_newest_entries_come_first_and_earlier_ones_follow(client, now):
    submit_in_bulk(120, now)
    sequence_batch(at=now)
    first = text_of(client)
    assert first.index("/log/entries/119/") < first.index("/log/entries/70/")
    assert "/log/entries/69/" not in first
    assert "?before=70#entries" in first
    last = text_of(client, "?before=20")
    assert "/log/entries/19/" in last
    assert "Earlier entries" not in last


def test_entries_are_narrowed_by_kind_and_time(client, now):
    submit(now, kind="consent.granted")
    submit(now + timedelta(hours=2), kind="device.enrolled")
    sequence_batch(at=now)
    assert "/log/entries/1/" not in text_of(client, "?kind=consent.granted")
    assert "/log/entries/0/" not in text_of(client, f"?since={now + timedelta(hours=1):%Y-%m-%dT%H:%M}")
    assert "/log/entries/1/" not in text_of(client, f"?until={now + timedelta(hours=1):%Y-%m-%dT%H:%M}")
    assert "No entry fits" in text_of(client, "?kind=consent.granted&until=2001-01-01T00:00")


@pytest.mark.parametrize("query", ["?kind=nothing.such", "?since=soon", "?before=-1", "?before=99999999999999999999"])
def test_what_makes_no_sense_is_refused(client, now, query):
    submit(now)
    sequence_batch(at=now)
    text_of(client, query, 422)


def test_a_frozen_log_says_so(client, now):
    freeze_log(code="log_rolled_back", sentence="An older state was restored.", evidence={}, at=now)
    shown = text_of(client)
    assert "The log is frozen since" in shown
    assert "An older state was restored." in shown


def test_witnesses_and_what_they_have_seen_are_shown(client, now):
    submit_in_bulk(5, now)
    sequence_batch(at=now)
    WitnessMemory.objects.create(name="meters", key="k", url="http://x", size=3, state="good", answered_at=now)
    shown = text_of(client)
    assert "meters" in shown
    assert "cosigns, cosigned 3 entries, 2 behind" in shown


def test_it_asks_the_database_equally_often_however_long_the_log_is(client, now, django_assert_max_num_queries):
    submit_in_bulk(60, now)
    sequence_batch(at=now)
    with django_assert_max_num_queries(12):
        text_of(client)
    assert Entry.objects.count() == 60
