"""Verifiers that others wrote accept this log, and refuse it after one flipped bit.

`sigstore` brings inclusion proofs and signed notes, `tlog-scales` tiles, proofs and cosignatures.
"""

import base64
import random
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from django.db import transaction
from sigstore._internal.merkle import verify_merkle_inclusion
from sigstore._internal.rekor.checkpoint import SignedCheckpoint, SignedNote
from sigstore.errors import VerificationError
from tlog_scales import signing, tlog
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader

from ledger.cosignatures import CosignatureSigner
from ledger.exporting import export_log
from ledger.models import Checkpoint, Entry, LogHead
from ledger.notes import VerifierKey, parse_note
from ledger.proofs import prove_consistency, prove_inclusion
from ledger.services import sequence_batch
from ledger.signing import log_verifier_key
from tests.builders_ledger import submit_in_bulk

# pytest-django makes a database when some test asks for one, and not for a fixture alone.
pytestmark = pytest.mark.django_db

SIZE = 70_000
PROOFS = 200
COSIGNED_AT = 1_773_480_413
WITNESS = CosignatureSigner("witness.example/one", b"\x07" * 32)


@dataclass(frozen=True)
class Inclusion:
    index: int
    body: bytes
    proof: list[bytes]


@dataclass(frozen=True)
class Consistency:
    old_size: int
    old_root: bytes
    proof: list[bytes]


@dataclass(frozen=True)
class Log:
    """What a stranger has: files, a key, and proofs that the log handed out."""

    folder: Path
    key: VerifierKey
    note: str
    root_hash: bytes
    inclusions: list[Inclusion]
    consistencies: list[Consistency]


@pytest.fixture(scope="module")
def log(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Log:
    at = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
    folder = tmp_path_factory.mktemp("log")
    rolled_back = transaction.atomic()
    # As the tests' own do: what asks for a durable transaction may run in it.
    rolled_back._from_testcase = True  # type: ignore[attr-defined]  # Not in the stubs.
    with django_db_blocker.unblock(), rolled_back:
        submit_in_bulk(SIZE, at)
        chosen = random.Random(9162)
        while sequence_batch(at=at, limit=chosen.choice([1, 17, 255, 256, 500, 1000])):
            pass
        head = LogHead.objects.get(pk=1)
        note = head.note + WITNESS.cosign(parse_note(head.note).text, COSIGNED_AT)
        export_log(folder, note=note, keys=(log_verifier_key(),), also={})
        found = Log(
            folder,
            log_verifier_key(),
            note,
            bytes(head.root_hash),
            [inclusion(index) for index in [0, SIZE - 1, *chosen.sample(range(SIZE), PROOFS - 2)]],
            [consistency(old) for old in chosen.choices(list(Checkpoint.objects.filter(size__gt=0)), k=PROOFS)],
        )
        transaction.set_rollback(True)
    return found


def inclusion(index: int) -> Inclusion:
    body = bytes(Entry.objects.values_list("body", flat=True).get(index=index))
    return Inclusion(index, body, prove_inclusion(index, SIZE))


def consistency(old: Checkpoint) -> Consistency:
    return Consistency(old.size, bytes(old.root_hash), prove_consistency(old.size, SIZE))


def flipped(content: bytes, chosen: random.Random) -> bytes:
    changed = bytearray(content)
    bit = chosen.randrange(len(changed) * 8)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def for_sigstore(log: Log, one: Inclusion) -> Any:
    proof = SimpleNamespace(log_index=one.index, tree_size=SIZE, hashes=one.proof, root_hash=log.root_hash)
    return SimpleNamespace(_inner=SimpleNamespace(inclusion_proof=proof, canonicalized_body=one.body))


class Keyring:
    """What sigstore asks for a key: the log's own, in place of Rekor's."""

    def __init__(self, key: VerifierKey) -> None:
        self.key = Ed25519PublicKey.from_public_bytes(key.public_key)

    def verify(self, *, key_id: Any, signature: bytes, data: bytes) -> None:
        try:
            self.key.verify(signature, data)
        except InvalidSignature as error:
            raise VerificationError("refused") from error


def test_sigstore_accepts_the_inclusion_proofs_and_refuses_a_flipped_bit(log):
    chosen = random.Random(1)
    assert len(log.inclusions) == PROOFS
    for one in log.inclusions:
        verify_merkle_inclusion(for_sigstore(log, one))
        with pytest.raises(VerificationError):
            verify_merkle_inclusion(for_sigstore(log, replace(one, body=flipped(one.body, chosen))))
        spoilt = list(one.proof)
        place = chosen.randrange(len(spoilt))
        spoilt[place] = flipped(spoilt[place], chosen)
        with pytest.raises(VerificationError):
            verify_merkle_inclusion(for_sigstore(log, replace(one, proof=spoilt)))


def test_sigstore_accepts_the_signed_note_and_refuses_a_flipped_bit(log):
    keyring: Any = Keyring(log.key)
    key_id: Any = log.key.key_id
    signed = SignedCheckpoint.from_text(log.note)
    signed.signed_note.verify(keyring, key_id)
    assert (signed.checkpoint.origin, signed.checkpoint.log_size) == (log.key.name, SIZE)
    assert signed.checkpoint.log_hash == log.root_hash.hex()
    text, separator, signatures = log.note.partition("\n\n")
    for position in range(len(text)):
        spoilt = text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]
        with pytest.raises(VerificationError):
            SignedNote.from_text(spoilt + separator + signatures).verify(keyring, key_id)


def test_tlog_scales_accepts_the_inclusion_proofs_and_refuses_a_flipped_bit(log):
    chosen = random.Random(2)
    from tlog_scales.tiles import leaf_hash

    for one in log.inclusions:
        tlog.InclusionProof(one.index, SIZE, one.proof).check(leaf_hash(one.body), log.root_hash)
        with pytest.raises(tlog.InclusionProofInvalid):
            spoilt = flipped(one.body, chosen)
            tlog.InclusionProof(one.index, SIZE, one.proof).check(leaf_hash(spoilt), log.root_hash)
        with pytest.raises(tlog.InclusionProofInvalid):
            tlog.InclusionProof(one.index, SIZE, one.proof).check(leaf_hash(one.body), flipped(log.root_hash, chosen))


def test_tlog_scales_accepts_the_consistency_proofs_and_refuses_a_flipped_bit(log):
    chosen = random.Random(3)
    assert len(log.consistencies) == PROOFS
    for one in log.consistencies:
        proof = tlog.ConsistencyProof(one.old_size, SIZE, one.proof)
        proof.check(one.old_root, log.root_hash)
        with pytest.raises(tlog.ConsistencyProofInvalid):
            proof.check(flipped(one.old_root, chosen), log.root_hash)
        if one.proof:
            spoilt = list(one.proof)
            place = chosen.randrange(len(spoilt))
            spoilt[place] = flipped(spoilt[place], chosen)
            with pytest.raises(tlog.ConsistencyProofInvalid):
                tlog.ConsistencyProof(one.old_size, SIZE, spoilt).check(one.old_root, log.root_hash)


def test_tlog_scales_reads_the_exported_tiles_and_comes_to_the_same_proofs(log):
    reader = TilesReader(LocalBackend(log.folder))
    assert reader.get_checkpoint().size == SIZE
    assert reader.calculate_root_hash() == log.root_hash
    for one in log.inclusions:
        assert reader.get_entry(one.index) == one.body
        assert reader.get_inclusion_proof(one.index, SIZE).node_hashes == one.proof
    for earlier in log.consistencies:
        assert reader.get_consistency_proof(earlier.old_size, SIZE).node_hashes == earlier.proof


def test_tlog_scales_refuses_exported_tiles_with_a_flipped_bit(log):
    path = log.folder / "tile/0/017"
    kept = path.read_bytes()
    path.write_bytes(flipped(kept, random.Random(4)))
    try:
        reader = TilesReader(LocalBackend(log.folder))
        reader.get_checkpoint()
        one = Inclusion(17 * 256, (log.folder / "tile/entries/017").read_bytes(), [])
        with pytest.raises(tlog.InclusionProofInvalid):
            spoilt = reader.get_inclusion_proof(one.index, SIZE)
            spoilt.check(reader._get_from_tile(0, 17, 0), log.root_hash)
    finally:
        path.write_bytes(kept)


def test_tlog_scales_accepts_signature_and_cosignature_and_refuses_a_flipped_bit(log):
    checkpoint = tlog.Checkpoint.from_text(log.note)
    keys = [signing.Vkey.from_string(str(key)) for key in (log.key, WITNESS.verifier_key)]
    found = signing.VkeySet(*keys).verify(checkpoint.signatures, checkpoint)
    assert {key.name for key, _ in found} == {log.key.name, "witness.example/one"}
    line = next(line for key, line in found if key.name == "witness.example/one")
    assert signing.Ed25519CosignatureVerifier.get_timestamp(line.payload) == COSIGNED_AT
    for key in keys:
        checkpoint.verify(key)
        with pytest.raises(InvalidSignature):
            replace(checkpoint, size=SIZE - 1).verify(key)
        with pytest.raises(InvalidSignature):
            replace(checkpoint, root_hash=flipped(checkpoint.root_hash, random.Random(5))).verify(key)
    late = replace(line, payload=flipped(line.payload[:8], random.Random(6)) + line.payload[8:])
    assert not signing.VkeySet(keys[1]).verify([late], checkpoint)


def test_their_spelling_of_a_key_is_ours(log):
    for key in (log.key, WITNESS.verifier_key):
        assert signing.Vkey.from_string(str(key)).serialize() == str(key)
        assert base64.b64decode(str(key).split("+", 2)[2])[0] == key.type_byte
