"""What a device sent and is deleted is in no later version, and the log's entries of files show it."""

import io
import json
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone

from devices.models import Batch, ReadingFile
from ledger.merkle import leaf_hash, verify_inclusion
from ledger.models import Entry
from ledger.services import log_policy, sequence_batch
from ledger.verify import main as verify_receipt
from marketplace.access.errors import AccessError
from marketplace.access.services import authorise
from marketplace.delivery.models import DeliveryTable, Segment, SegmentBatch
from marketplace.delivery.services import files_for, refresh_table
from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.tables.recording import RECORD_REST, record_segments, removal_proof
from marketplace.erasure.files import remove_left_files
from marketplace.erasure.services import erase_account
from tests.builders import make_consent, make_listing
from tests.builders_delivery import FREE, buy_token, day_start, make_signing_device, minutes

pytestmark = pytest.mark.django_db


@pytest.fixture
def two(sara, ben):
    """A listing of two devices, in the log and loaded, with a part of a day beside its first file."""
    at = timezone.now()
    senders = [make_signing_device(sara, at, name) for name in ("Roof", "Cellar")]
    for number, sender in enumerate(senders):
        sender.send(minutes(day_start(at, 1 + number), 5), at)
    consent = make_consent(sara, at, devices=[sender.device for sender in senders])
    listing = make_listing(sara, at, consent=consent, plans=[FREE])
    _, text = buy_token(listing, ben, at)
    senders[0].send(minutes(day_start(at, 2) + timedelta(hours=1), 5), at)
    refresh_table(listing=listing, at=at)
    record_segments(listing=listing, at=at)
    sequence_batch(at=at)
    return listing, senders, text, at


def names_of(text, version, at):
    files = files_for(authorise(token=text, at=at), version=version)
    return {name for file in files for name in read_rows(file.path)["device"]}


def hashes_with(device):
    return {bytes(one.sha256) for one in Segment.objects.current() if device in set(read_rows(one.path)["device"])}


def printed(sha256):
    out = io.StringIO()
    call_command("prove_removal", sha256.hex(), stdout=out)
    return json.loads(out.getvalue())


def check(proof, tmp_path):
    """With what is public alone."""
    entry = json.loads(proof["entry"])
    path = [bytes.fromhex(one) for one in proof["path"]]
    leaf = leaf_hash(bytes.fromhex(proof["sha256"]))
    verify_inclusion(leaf, proof["index"], proof["count"], path, bytes.fromhex(entry["removed_root"]))
    assert (entry["kind"], entry["removed_count"]) == ("delivery.segments", proof["count"])
    for name, text in {"p": log_policy().text(), "e": proof["entry"], "r": proof["receipt"]}.items():
        (tmp_path / name).write_text(text)
    # Good, but for the witnesses that the log of this test does not have.
    arguments = [str(tmp_path / "r"), "--entry", str(tmp_path / "e"), "--policy", str(tmp_path / "p")]
    assert verify_receipt(arguments) == 2


def test_a_device_whose_data_go_is_in_no_later_version_and_the_log_says_so(two, tmp_path):
    listing, senders, text, at = two
    before = DeliveryTable.objects.get().version
    assert names_of(text, before, at) == {"device-1", "device-2"}
    old = hashes_with("device-1")
    assert old
    for model in (Batch, ReadingFile):
        model.objects.filter(device=senders[0].device).delete()
    version = refresh_table(listing=listing, at=at).version
    assert version == before + 1
    assert names_of(text, version, at) == {"device-2"}
    later = at + RECORD_REST
    assert removal_proof(min(old)) is None
    record_segments(listing=listing, at=later)
    sequence_batch(at=later)
    batch = SegmentBatch.objects.latest("pk")
    assert batch.version == version
    assert old <= set(batch.removed_hashes)
    assert not old & set(batch.hashes)
    for sha256 in old:
        check(printed(sha256), tmp_path)
    # And so it stays in those after it.
    senders[1].send(minutes(day_start(at, 2) + timedelta(hours=2), 5), at)
    assert names_of(text, refresh_table(listing=listing, at=at).version, at) == {"device-2"}
    record_segments(listing=listing, at=later + RECORD_REST)
    assert not old & {one for batch in SegmentBatch.objects.filter(version__gte=version) for one in batch.hashes}


def test_after_an_erasure_nothing_is_left_and_every_file_has_its_proof(two, sara, tmp_path):
    listing, _, text, _ = two
    ever = {sha256 for batch in SegmentBatch.objects.all() for sha256 in batch.hashes}
    paths = list(Segment.objects.values_list("path", flat=True))
    later = timezone.now()
    erase_account(user=sara, at=later)
    remove_left_files()
    sequence_batch(at=later)
    assert len(ever) == len(paths)
    assert [path for path in paths if default_storage.exists(path)] == []
    assert refresh_table(listing=listing, at=later).version == 0
    assert not Segment.objects.exists()
    with pytest.raises(AccessError):
        authorise(token=text, at=later)
    for sha256 in ever:
        check(printed(sha256), tmp_path)
    assert Entry.objects.filter(kind="delivery.segments").count() == 2


def test_no_proof_of_what_is_still_there_or_came_back(two):
    sha256 = min(hashes_with("device-1"))
    for text in (sha256.hex(), "00" * 32, "nonsense"):
        with pytest.raises(CommandError):
            call_command("prove_removal", text)
    batch = SegmentBatch.objects.get()
    copied = {"listing": batch.listing, "version": 9, "recorded_at": batch.recorded_at}
    for added, removed, is_gone in ((b"", sha256, True), (sha256, b"", False), (sha256, sha256, False)):
        SegmentBatch.objects.create(**copied, added=added, removed=removed, entry_id=uuid4())
        assert (removal_proof(sha256) is not None) is is_gone
