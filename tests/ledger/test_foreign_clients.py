"""A client that others wrote reads the running log over HTTP, cosigned by real witnesses."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils import timezone
from tlog_scales import signing
from tlog_scales.backend import HttpBackend
from tlog_scales.reader import TilesReader
from tlog_scales.tiles import leaf_hash

from ledger.models import Checkpoint
from ledger.services import sequence_batch
from ledger.witnessing import gather_cosignatures
from tests.builders_ledger import submit_in_bulk
from tests.ledger.witnesses import RealWitness, policy_text

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 700


@pytest.fixture
def witnesses(tmp_path: Path, settings) -> Iterator[list[RealWitness]]:
    found = [RealWitness.create(tmp_path / name).start() for name in ("anna", "bert")]
    settings.LEDGER_POLICY_FILE = tmp_path / "policy"
    settings.LEDGER_POLICY_FILE.write_text(policy_text(*found, needed="all"))
    yield found
    for witness in found:
        witness.kill()


def test_every_entry_and_every_earlier_checkpoint_is_proven_from_what_is_served(live_server, witnesses):
    submit_in_bulk(SIZE, timezone.now())
    for limit in (1, 254, 2, 300, 143):
        sequence_batch(at=timezone.now(), limit=limit)
        gather_cosignatures(at=timezone.now())
    reader = TilesReader(HttpBackend(f"{live_server.url}/log"))
    newest = reader.get_checkpoint()
    assert newest.size == SIZE
    assert reader.calculate_root_hash() == newest.root_hash

    policy = HttpBackend(f"{live_server.url}/log").get("policy")
    assert policy is not None
    spoken = [word for line in policy.decode().splitlines() for word in line.split() if word.count("+") >= 2]
    found = signing.VkeySet(*map(signing.Vkey.from_string, spoken)).verify(newest.signatures, newest)
    assert {key.name for key, _ in found} == {"ownstream.invalid/log", "anna.invalid/w", "bert.invalid/w"}

    for index in range(SIZE):
        proof = reader.get_inclusion_proof(index, SIZE)
        proof.check(leaf_hash(reader.get_entry(index)), newest.root_hash)
    sizes = Checkpoint.objects.filter(size__gt=0, size__lt=SIZE).order_by("size")
    assert [checkpoint.size for checkpoint in sizes] == [1, 255, 257, 557]
    for checkpoint in sizes:
        reader.get_consistency_proof(checkpoint.size, SIZE).check(bytes(checkpoint.root_hash), newest.root_hash)
