"""What is planted among the cosignatures is not shown, and hides no good one."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from ledger.models import Cosignature, LogHead
from ledger.notes import NoteSignature, parse_note
from ledger.services import sequence_batch
from ledger.witnessing import gather_cosignatures
from tests.builders_ledger import submit_many

pytestmark = pytest.mark.django_db(transaction=True)


def plant(line, key_id=b"abcd", later=timedelta(0)):
    at = timezone.now() + later
    Cosignature.objects.create(size=2, witness_name="x", key_id=key_id, line=line, cosigned_at=at, received_at=at)


def test_shows_the_lines_that_verify_and_no_others(anna, client, settings):
    submit_many(2, timezone.now())
    sequence_batch(at=timezone.now())
    note = LogHead.objects.get().note
    assert client.get("/log/checkpoint").content.decode() == note
    gather_cosignatures(at=timezone.now())
    line = Cosignature.objects.get().line
    assert client.get("/log/checkpoint").content.decode() == note + line

    key = anna.key
    plant("\n\nnonsense\n")
    plant(f"\n\n{line}", later=timedelta(seconds=1))
    plant(line + line, later=timedelta(seconds=2))
    plant("")
    plant(note.rpartition("\n\n")[2], key_id=parse_note(note).signatures[0].key_id)
    plant(NoteSignature(key.name, key.key_id, b"\0" * 72).line(), key.key_id, timedelta(seconds=3))
    plant(NoteSignature("other.invalid/w", b"abcd", int(time.time()).to_bytes(8, "big") + b"\1" * 64).line())
    assert client.get("/log/checkpoint").content.decode() == note + line

    settings.LEDGER_POLICY_FILE.write_text("nonsense\n")
    assert client.get("/log/checkpoint").content.decode() == note
