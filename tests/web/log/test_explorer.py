from datetime import timedelta

import pytest
import time_machine

from ledger.freezing import freeze_log
from ledger.models import Entry, WitnessMemory
from ledger.services import sequence_batch
from marketplace.web.views import entries
from tests.builders import make_listing
from tests.builders_ledger import submit, submit_in_bulk
from tests.web.log.witnessing import append, cosign, trust_witnesses

pytestmark = pytest.mark.django_db


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
    assert first.index("/log/entries/119/") < first.index("/log/entries/95/")
    assert "/log/entries/94/" not in first
    assert "?before=95#entries" in first
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


def test_witnesses_and_what_they_have_seen_are_shown(client, now, settings, tmp_path):
    trust_witnesses(settings, tmp_path)
    append(now, 3, 2)
    cosign(3, now)
    for name, size, state in [("maker1", 3, "good"), ("maker2", 5, "silent")]:
        WitnessMemory.objects.create(name=name, key="k", url="http://x", size=size, state=state, answered_at=now)
    shown = " ".join(text_of(client).split())
    assert "cosigned 3 entries, 2 behind" in shown
    assert "cosigned 5 entries, all of them" in shown
    assert [line for line in ("cosigns", "does not answer", "not asked yet") if f">{line}</span>" not in shown] == []
    assert "2 of 3" in shown
    assert "has cosigned nothing yet" in shown


def test_what_is_final_is_told_apart(client, now, settings, tmp_path):
    trust_witnesses(settings, tmp_path)
    append(now, 3, 2)
    cosign(3, now)
    answer = client.get("/log/")
    assert [(mark.number, mark.state) for _, mark in answer.context["rows"]] == [
        (4, "signed"),
        (3, "signed"),
        (2, "final"),
        (1, "final"),
        (0, "final"),
    ]
    assert answer.context["figures"].final_size == 3


def test_a_log_without_witnesses_says_that_nothing_becomes_final(client, now):
    append(now, 1)
    assert "Nobody witnesses this log yet" in text_of(client)


def test_the_rate_counts_what_was_recorded(client, now):
    append(now - timedelta(days=3), 7)
    append(now - timedelta(hours=2, minutes=10), 4)
    append(now - timedelta(minutes=5), 2)
    with time_machine.travel(now, tick=False):
        day, month = client.get("/log/").context, client.get("/log/?rate=month").context
        assert "13" in text_of(client, "?rate=nonsense")
    assert [value for _, value in day["chart"].points] == [*[0] * 21, 4, 0, 2]
    assert day["figures"].last_day == 6
    assert [value for _, value in month["chart"].points][-4:] == [7, 0, 0, 6]
    assert [button["is_current"] for button in month["ranges"]] == [False, True]


def test_no_record_of_late_is_said_in_words(client, now):
    append(now, 2)
    with time_machine.travel(now + timedelta(days=2), tick=False):
        assert "None in the last 24 hours." in text_of(client)


def test_a_number_leads_to_its_entry(client, now):
    append(now, 3)
    answer = client.get("/log/?entry=2")
    assert (answer.status_code, answer["Location"]) == (302, "/log/entries/2/")
    for number in ("3", str(2**63 - 1)):
        assert "There is no entry" in text_of(client, f"?entry={number}", 422)


def test_times_are_utc_whatever_the_reader_s_zone_is(client, now, sara):
    sara.time_zone = "America/New_York"
    sara.save()
    client.force_login(sara)
    submit(now)
    sequence_batch(at=now)
    assert "/log/entries/0/" in text_of(client, f"?since={now - timedelta(minutes=1):%Y-%m-%dT%H:%M}")
    assert "/log/entries/0/" not in text_of(client, f"?until={now - timedelta(minutes=1):%Y-%m-%dT%H:%M}")


def test_pages_of_a_time_follow_each_other(client, now, monkeypatch):
    monkeypatch.setattr(entries, "PAGE_SIZE", 2)
    moments = [0, 30, 10, 30, 20]
    for minutes in moments:
        submit(now + timedelta(minutes=minutes))
        sequence_batch(at=now)
    seen, before = [], None
    while True:
        query = f"?since={now:%Y-%m-%dT%H:%M}" + ("" if before is None else f"&before={before}")
        context = client.get(f"/log/{query}").context
        seen += [entry.index for entry, _ in context["rows"]]
        before = context["next_before"]
        if before is None:
            break
    assert seen == [3, 1, 4, 2, 0]
    assert "No entry fits" in text_of(client, f"?since={now:%Y-%m-%dT%H:%M}&before=99")


def test_nothing_about_a_person_is_shown(client, now, sara):
    make_listing(sara, now, title="A roof of mine")
    shown = text_of(client)
    assert "listing.published" in shown
    assert sara.email not in shown
    assert "A roof of mine" not in shown


def test_nothing_can_be_sent_to_it(client):
    assert client.post("/log/").status_code == 405


def test_it_asks_the_database_equally_often_however_long_the_log_is(client, now, django_assert_max_num_queries):
    submit_in_bulk(60, now)
    sequence_batch(at=now)
    with django_assert_max_num_queries(12):
        text_of(client)
    assert Entry.objects.count() == 60


def test_the_folder_of_entries_leads_to_the_explorer(client):
    answer = client.get("/log/entries/?kind=consent.granted")
    assert (answer.status_code, answer["Location"]) == (302, "/log/?kind=consent.granted")
