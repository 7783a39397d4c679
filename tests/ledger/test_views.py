import pytest
from django.urls import reverse

from ledger.models import Checkpoint, LogHead
from ledger.notes import TreeHead, VerifierKey, parse_note, verify_note
from ledger.services import sequence_batch
from tests.builders_ledger import submit

pytestmark = pytest.mark.django_db


def test_anyone_reads_the_newest_checkpoint(client, now):
    submit(now)
    sequence_batch(at=now)
    response = client.get(reverse("log_checkpoint"))
    assert response.status_code == 200
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Cache-Control"] == "public, max-age=2"
    assert response.content.decode() == LogHead.objects.get().note
    assert not response.cookies


def test_the_checkpoint_verifies_with_the_served_key(client, now):
    submit(now)
    sequence_batch(at=now)
    response = client.get(reverse("log_vkey"))
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    key = VerifierKey.parse(response.content.decode().removesuffix("\n"))
    note = parse_note(client.get(reverse("log_checkpoint")).content)
    assert verify_note(note, [key]) == [key]
    assert TreeHead.parse(note.text).origin == key.name


def test_the_web_signs_nothing_itself(client, now):
    response = client.get(reverse("log_checkpoint"))
    assert (response.status_code, response["Retry-After"], response["Cache-Control"]) == (503, "2", "no-store")
    assert not Checkpoint.objects.exists()
    assert LogHead.objects.get().note == ""


def test_the_empty_log_has_a_checkpoint_too(client, now):
    sequence_batch(at=now)
    first = client.get(reverse("log_checkpoint")).content
    assert TreeHead.parse(parse_note(first).text).size == 0
    assert client.get(reverse("log_checkpoint")).content == first
    assert Checkpoint.objects.count() == 1


def test_an_unchanged_checkpoint_is_not_sent_again(client, now):
    sequence_batch(at=now)
    etag = client.get(reverse("log_checkpoint"))["ETag"]
    response = client.get(reverse("log_checkpoint"), headers={"If-None-Match": etag})
    assert (response.status_code, response.content) == (304, b"")
    submit(now)
    sequence_batch(at=now)
    assert client.get(reverse("log_checkpoint"), headers={"If-None-Match": etag}).status_code == 200


@pytest.mark.parametrize("name", ["log_checkpoint", "log_vkey"])
def test_nothing_can_be_sent_to_it(client, now, name):
    sequence_batch(at=now)
    assert client.post(reverse(name)).status_code == 405
    assert client.head(reverse(name)).status_code == 200
    assert reverse(name) == f"/log/{name.removeprefix('log_')}"
