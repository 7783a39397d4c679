"""What a stranger may cost a witness, and the log that asks it through the same proxy: next to nothing."""

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.notes import NoteSigner
from ledger.submissions import Submission
from ledger.witness import REPEAT_SECONDS, Refused, Witness, read_key
from tests.ledger.test_witness_crash import signature_bytes
from tests.ledger.test_witness_serving import connect, read_all
from tests.ledger.witness_process import ORIGIN, PREFIX, SmallLog, WitnessProcess, make_key

LOG = SmallLog()
LATEST = f"{PREFIX}/{hashlib.sha256(ORIGIN.encode()).hexdigest()}/checkpoint".encode()
FALSE = Submission(10, (bytes(32),), LOG.checkpoint(12)).text().encode()
HIDDEN = b"POST /w1/add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n%s" % (len(FALSE), FALSE)


@pytest.fixture
def at_ten(tmp_path: Path) -> Iterator[WitnessProcess]:
    make_key(tmp_path / "w1")
    running = WitnessProcess(tmp_path / "w1", [LOG.vkey], "--most-connections", "6", "--most-per-address", "3")
    assert running.add(LOG.submission(0, 10)).status == 200
    yield running
    running.kill()


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Length: %d" % len(HIDDEN),
        b"content-length: 0",
        b"Content-Length: %d\r\nContent-Length: 0" % len(HIDDEN),
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding:",
        b"X y\r\nContent-Length: %d" % len(HIDDEN),
        b"Content-Length : %d" % len(HIDDEN),
    ],
)
def test_what_a_get_hides_in_its_body_is_never_answered(at_ten, header):
    """A proxy would take the second answer for that of the next request, which is the log's."""
    with connect(at_ten, b"GET " + LATEST + b" HTTP/1.1\r\nHost: w\r\n" + header + b"\r\n\r\n" + HIDDEN) as connection:
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert at_ten.add(LOG.submission(10, 12)).status == 200


@pytest.mark.parametrize("header", [b"Transfer-Encoding:", b"X y", b"Transfer-Encoding : chunked"])
def test_a_post_whose_length_could_be_read_in_two_ways_is_turned_away(at_ten, header):
    start = b"POST /w1/add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: 4\r\n" + header + b"\r\n\r\n"
    with connect(at_ten, start + HIDDEN) as connection:
        answer = read_all(connection)
    assert (answer[:13], answer.count(b"HTTP/1.1 ")) == (b"HTTP/1.1 411 ", 1)


def first_answer(witness) -> bytes:
    """Connect until something is answered: a busy machine takes a while to count those before."""
    for _ in range(20):
        with connect(witness) as connection:
            connection.settimeout(0.5)
            try:
                return read_all(connection)
            except TimeoutError:
                continue
    return b""


def test_one_address_cannot_take_all_places(at_ten):
    silent = [connect(at_ten) for _ in range(3)]
    assert first_answer(at_ten).startswith(b"HTTP/1.1 503 ")
    source = ("127.0.0.2", 0)
    with socket.create_connection(("127.0.0.1", at_ten.port), timeout=10, source_address=source) as other:
        other.sendall(b"GET " + LATEST + b" HTTP/1.0\r\n\r\n")
        assert b" 200 " in read_all(other)
    for connection in silent:
        connection.close()


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Witness, list[int]]:
    """A witness that has just cosigned size 7 at second 1000, and each time that something is written to the disk."""
    make_key(tmp_path / "w1")
    written: list[int] = []
    monkeypatch.setattr("ledger.durable.os.fsync", written.append)
    state = tmp_path / "w1" / "state"
    keys = [LOG.signer.verifier_key, SECOND.verifier_key]
    witness = Witness(read_key(tmp_path / "w1" / "key"), keys, state)
    cosign(witness, LOG.submission(0, 7), 1000)
    written.clear()
    return witness, written


SECOND = NoteSigner(ORIGIN, bytes([7]) * 32)
REPEAT = LOG.submission(7, 7)


def cosign(witness: Witness, submission: Submission, at_seconds: int) -> int:
    """Return the time that it signs."""
    line = witness.add_checkpoint(submission.text().encode(), at_seconds=at_seconds)
    return int.from_bytes(signature_bytes(line)[4:12], "big")


def test_a_repeated_checkpoint_is_not_written_again(disk):
    witness, written = disk
    assert [cosign(witness, REPEAT, at) for at in (1000, 1001, 999, 1000 + REPEAT_SECONDS - 1)] == [1000] * 4
    assert written == []
    late = 1000 + REPEAT_SECONDS
    assert [cosign(witness, REPEAT, at) for at in (late, 1000, late + 1)] == [late] * 3
    assert len(written) == 2
    assert cosign(witness, LOG.submission(7, 8), 500) == late
    assert len(written) == 4


def test_a_repeat_with_the_line_of_another_key_is_kept(disk):
    witness, written = disk
    text = LOG.head(7).text()
    both = LOG.checkpoint(7) + SECOND.sign(text).removeprefix(f"{text}\n")
    assert cosign(witness, LOG.submission(7, 7, both), 1001) == 1001
    assert len(written) == 2
    # With fewer lines it says nothing new.
    assert cosign(witness, REPEAT, 1002) == 1001
    assert len(written) == 2


def test_what_another_process_wrote_is_written_again_before_it_is_answered(disk):
    """It may not be on the disk: who wrote it may have failed in the middle."""
    witness, written = disk
    another = Witness(witness.signer, [LOG.signer.verifier_key], witness.folder)
    assert cosign(another, REPEAT, 1001) == 1001
    assert len(written) == 2
    assert cosign(witness, REPEAT, 1002) == 1002
    assert len(written) == 4


def test_a_repeat_with_a_wrong_size_or_proof_is_refused_as_ever(disk):
    witness, _ = disk
    for wrong, status in ((LOG.submission(6, 7), 409), (Submission(7, (bytes(32),), LOG.checkpoint(7)), 422)):
        with pytest.raises(Refused) as raised:
            witness.add_checkpoint(wrong.text().encode(), at_seconds=1001)
        assert raised.value.status == status
