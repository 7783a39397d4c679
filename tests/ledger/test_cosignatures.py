import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.cosignatures import COSIGNATURE, CosignatureSigner, cosigned_at
from ledger.errors import KeyMalformed, NoteMalformed, NoteUnverified
from ledger.notes import NoteSignature, NoteSigner, TreeHead, VerifierKey, parse_note, verify_note

LOG = NoteSigner("market.example/log", bytes(range(32)))
WITNESS = CosignatureSigner("witness.example/w1", bytes(range(1, 33)))
HEAD = TreeHead("market.example/log", 70_000, bytes(range(32)))
AT = 1_679_315_147


def cosigned(at=AT, signer=WITNESS):
    return LOG.sign(HEAD.text()) + signer.cosign(HEAD.text(), at)


def test_a_cosigned_checkpoint_verifies_under_both_keys():
    keys = [LOG.verifier_key, WITNESS.verifier_key]
    assert verify_note(parse_note(cosigned()), keys) == keys


def test_the_cosignature_has_these_bytes():
    """tlog-cosignature: key id, time in 8 bytes, and a signature of two header lines and the whole text."""
    line = WITNESS.cosign(HEAD.text(), AT)
    assert line.startswith("— witness.example/w1 ")
    assert line.endswith("\n")
    payload = base64.b64decode(line.split(" ")[2])
    assert payload[:4] == WITNESS.verifier_key.key_id
    assert payload[4:12] == AT.to_bytes(8, "big")
    message = f"cosignature/v1\ntime {AT}\n{HEAD.text()}".encode()
    plain = VerifierKey("plain", 1, WITNESS.verifier_key.public_key)
    assert plain.has_signed(message.decode(), payload[12:])


def test_the_key_of_a_witness_has_its_own_type():
    text = str(WITNESS.verifier_key)
    assert VerifierKey.parse(text) == WITNESS.verifier_key
    assert base64.b64decode(text.split("+", 2)[2])[0] == COSIGNATURE
    with pytest.raises(KeyMalformed):
        VerifierKey.parse(str(VerifierKey("w", COSIGNATURE, b"short")))


@pytest.mark.parametrize("at", [0, 1, AT, 2**63 - 1])
def test_reads_the_time(at):
    note = parse_note(cosigned(at))
    assert cosigned_at(note.signatures[1]) == at
    assert WITNESS.verifier_key in verify_note(note, [WITNESS.verifier_key])


def test_a_time_beyond_the_standard_is_refused():
    note = parse_note(cosigned(2**63))
    with pytest.raises(NoteUnverified):
        verify_note(note, [LOG.verifier_key, WITNESS.verifier_key])
    with pytest.raises(NoteMalformed):
        cosigned_at(note.signatures[1])


@pytest.mark.parametrize("place", range(72))
def test_one_flipped_bit_of_a_cosignature_is_found(place):
    """Of the time, too, since it is signed."""
    signature = parse_note(cosigned()).signatures[1]
    payload = bytearray(signature.payload)
    payload[place] ^= 1
    assert WITNESS.verifier_key.has_signed(HEAD.text(), signature.payload)
    assert not WITNESS.verifier_key.has_signed(HEAD.text(), bytes(payload))


@pytest.mark.parametrize("size", [0, 8, 64, 71, 73, 200])
def test_a_cosignature_of_another_length_has_no_time(size):
    with pytest.raises(NoteMalformed):
        cosigned_at(NoteSignature("witness.example/w1", bytes(4), bytes(size)))


def test_a_cosignature_is_no_signature_of_the_log():
    """One seed, two types: neither line counts as the other."""
    both = CosignatureSigner(LOG.verifier_key.name, bytes(range(32)))
    assert both.verifier_key.key_id != LOG.verifier_key.key_id
    note = parse_note(HEAD.text() + "\n" + both.cosign(HEAD.text(), AT))
    with pytest.raises(NoteUnverified):
        verify_note(note, [LOG.verifier_key])


@pytest.mark.parametrize("text", ["", "\n", "no line feed", "two\n\nparts\n"])
def test_does_not_cosign_such_a_text(text):
    with pytest.raises(NoteMalformed):
        WITNESS.cosign(text, AT)


@given(st.binary(max_size=100))
def test_any_payload_is_checked_or_refused(payload):
    assert not WITNESS.verifier_key.has_signed(HEAD.text(), payload)
