"""The public page that checks a download: good, bad, half proven, too large, refused; nothing is written."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from marketplace.web.views import origin_verification
from tests.builders_origin import Origin, csv_of
from tests.builders_receipts import POLICY

pytestmark = pytest.mark.django_db
PAGE = "/verify-data/"
ORIGIN = Origin([(1, 1, [(minute, "air_temperature", 20.5 + minute) for minute in range(3)], {})])
TABLE = csv_of(ORIGIN.table())


def send(client, *, download=TABLE, evidence=None, policy=None, **more):
    policy = POLICY.text() if policy is None else policy
    evidence = ORIGIN.evidence() if evidence is None else evidence
    files = {
        "download": SimpleUploadedFile("data.csv", download),
        "evidence": SimpleUploadedFile("data.evidence.jsonl", evidence),
    }
    page = client.post(PAGE, {**files, "policy": policy.replace("\n", "\r\n"), **more})
    return page.status_code, page.content.decode()


def test_the_page_asks_for_two_files(client):
    page = client.get(PAGE)
    assert page.status_code == 200
    assert page.content.count(b'type="file"') == 2


def test_a_good_download_is_final(client):
    status, text = send(client)
    assert (status, "Good: devices signed every row" in text) == (200, True)
    assert "3 of 3 rows: what the devices signed, to the last digit." in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"download": TABLE.replace(b"21.5", b"21.25")}, "Row 2 (line 3): device-1 at 2026-03-13T09:01:00Z"),
        ({"evidence": b"nonsense\n"}, "The evidence cannot be used: This is not JSON."),
        ({"policy": "nonsense\n"}, "The policy cannot be used:"),
        ({"download": b"\x00\xff"}, "The download cannot be read:"),
    ],
)
def test_a_bad_one_is_refused_and_the_place_is_named(client, change, said):
    status, text = send(client, **change)
    assert (status, "Bad: do not rely on it" in text, said in text) == (422, True, True), text


def test_the_logs_own_policy_is_used_when_none_is_given(client):
    """It does not know the keys of another log."""
    status, text = send(client, policy="")
    assert status == 422
    assert "That the key 8a88e3dd7409… of device-1 was ever enrolled. The log&#x27;s receipt" in text
    assert "Without evidence: 3 rows, the first: Row 1 (line 2): device-1" in text


def test_an_older_download_is_checked_as_of_its_time(client):
    status, text = send(client, received_until="2026-03-13T09:00:00Z")
    assert (status, "Left out, as later than you asked for: 1 envelope" in text) == (200, True)
    assert "not everything is proven" in text
    status, text = send(client, received_until="yesterday")
    assert (status, "Give a time such as" in text) == (422, True)


def test_both_files_are_asked_for(client):
    page = client.post(PAGE, {})
    assert page.status_code == 422
    assert "Choose the table that you downloaded." in page.content.decode()
    assert "Choose the evidence of the download." in page.content.decode()


def test_two_files_in_each_others_place_are_told(client):
    files = {
        "download": SimpleUploadedFile("data.evidence.jsonl", ORIGIN.evidence()),
        "evidence": SimpleUploadedFile("data.csv", TABLE),
    }
    page = client.post(PAGE, files)
    assert (page.status_code, b"Choose them the other way round." in page.content) == (422, True)


def test_what_is_too_large_is_not_read(client, monkeypatch):
    monkeypatch.setattr(origin_verification, "LARGEST_UPLOAD", 1000)
    status, text = send(client)
    assert (status, "That is too much for this page" in text) == (413, True)


def test_an_address_has_so_many_checks_a_minute(client, monkeypatch):
    monkeypatch.setattr(origin_verification, "CHECKS_A_MINUTE", 0)
    assert send(client)[0] == 429


def test_markup_in_a_file_is_text(client):
    status, text = send(client, download=TABLE.replace(b"device-1", b"<b>x</b>", 1))
    assert (status, "<b>x</b>" in text, "&lt;b&gt;x" in text) == (422, False, True)
