"""The witness as a server and a program: limits, slow clients, its end, its key, and what it needs installed."""

import http.client
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.notes import VerifierKey
from tests.ledger.witness_process import PREFIX, ROOT, SmallLog, WitnessProcess, make_key, wait_until

LOG = SmallLog()
LOGS = [LOG.vkey]
BODY = LOG.submission(0, 10).text().encode()
REQUEST = b"POST /w1/add-checkpoint HTTP/1.1\r\nHost: w\r\nContent-Length: %d\r\n\r\n" % len(BODY)


@pytest.fixture
def hasty(tmp_path: Path) -> Iterator[WitnessProcess]:
    """A witness that gives a client one second, and takes four at once."""
    make_key(tmp_path / "w1")
    running = WitnessProcess(tmp_path / "w1", [LOG.vkey], "--request-seconds", "1", "--most-connections", "4")
    yield running
    running.kill()


def connect(witness: WitnessProcess, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", witness.port), timeout=10)
    connection.sendall(sent)
    return connection


def read_all(connection: socket.socket) -> bytes:
    read = b""
    while chunk := connection.recv(65536):
        read += chunk
    return read


def test_one_connection_serves_many_requests(witness):
    connection = http.client.HTTPConnection("127.0.0.1", witness.port, timeout=10)
    for old, size, status in [(0, 10, 200), (0, 10, 409), (10, 12, 200)]:
        connection.request("POST", f"{PREFIX}/add-checkpoint", LOG.submission(old, size).text().encode())
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (status, True)
    connection.close()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 65537", b"413"),
        (b"Content-Length: 99999999999999999", b"413"),
        (b"Content-Length: x", b"411"),
        (b"Content-Length: -1", b"411"),
        (b"Content-Length: 5\r\nContent-Length: 6", b"411"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"411"),
        (b"Transfer-Encoding: chunked", b"411"),
        (b"X: y", b"411"),
        (b"\r\n".join(b"X-%d: y" % n for n in range(200)), b"431"),
        (b"X: " + b"y" * 70_000, b"431"),
    ],
)
def test_a_request_that_is_too_large_or_of_unknown_length_is_turned_away(witness, headers, status):
    started = time.monotonic()
    with connect(witness, b"POST /w1/add-checkpoint HTTP/1.1\r\nHost: w\r\n" + headers + b"\r\n\r\n") as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 " + status)
    assert time.monotonic() - started < 5
    assert witness.add(BODY).status == 200


def test_the_answer_to_a_large_request_arrives_although_the_client_sends_first(witness):
    assert witness.add(b"x" * 900_000).status == 413
    assert witness.add(b"x" * 65_536).status == 400


@pytest.mark.parametrize("sent", [b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"PUT / HTTP/1.1\r\n\r\n"])
def test_what_is_no_request_is_refused(witness, sent):
    with connect(witness, sent) as connection:
        connection.shutdown(socket.SHUT_WR)
        assert b"Traceback" not in read_all(connection)
    assert witness.add(BODY).status == 200


@pytest.mark.parametrize("sent", [b"", b"POST /w1/add-check", REQUEST, REQUEST + BODY[:50]])
def test_a_silent_client_is_cut_off(hasty, sent):
    started = time.monotonic()
    with connect(hasty, sent) as connection:
        assert read_all(connection) == b""
    assert 0.5 < time.monotonic() - started < 4
    assert hasty.latest().status == 404


@pytest.mark.parametrize("start", [b"POST /w1/add-checkpoint HTTP/1.1\r\nX: ", REQUEST])
def test_a_client_that_sends_a_byte_now_and_then_is_cut_off(hasty, start):
    started = time.monotonic()
    with connect(hasty, start) as connection, pytest.raises(ConnectionError):
        while time.monotonic() - started < 8:
            connection.sendall(b"o")
            time.sleep(0.1)
    assert time.monotonic() - started < 4


def test_whoever_comes_when_all_places_are_taken_is_told_so(hasty):
    silent = [connect(hasty) for _ in range(4)]
    wait_until(lambda: len(threads_of(hasty)) == 4 + 2)
    with connect(hasty) as connection:
        assert read_all(connection).startswith(b"HTTP/1.1 503 ")
    assert len(threads_of(hasty)) == 4 + 2
    # They are cut off after a second, and their places are free again.
    assert [read_all(connection) for connection in silent] == [b""] * 4
    wait_until(lambda: len(threads_of(hasty)) == 2)
    assert hasty.add(BODY).status == 200
    for connection in silent:
        connection.close()


def threads_of(witness: WitnessProcess) -> list[Path]:
    """The main one, the one that accepts, and one for each connection."""
    return list(Path(f"/proc/{witness.process.pid}/task").iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_at_once_and_cleanly(witness, number):
    idle = http.client.HTTPConnection("127.0.0.1", witness.port, timeout=10)
    idle.request("POST", f"{PREFIX}/add-checkpoint", BODY)
    assert idle.getresponse().read()
    started = time.monotonic()
    witness.process.send_signal(number)
    assert witness.process.wait(10) == 0
    assert time.monotonic() - started < 5
    assert read_all(idle.sock) == b""
    idle.close()
    witness.start()
    assert witness.size() == 10


def test_keygen_writes_a_key_for_its_owner_only(tmp_path):
    printed = make_key(tmp_path / "deep" / "w1")
    key = VerifierKey.parse(printed.strip())
    assert (key.name, key.type_byte) == ("witness.example/w1", 4)
    path = tmp_path / "deep" / "w1" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "deep" / "w1" / "vkey").read_text() == printed
    kept = path.read_text()
    with pytest.raises(subprocess.CalledProcessError) as raised:
        make_key(tmp_path / "deep" / "w1")
    assert "has a key already" in raised.value.stderr
    assert path.read_text() == kept


@pytest.mark.parametrize("name", ["", "two words", "a+b", "tab\t"])
def test_keygen_refuses_a_name_that_no_note_can_hold(tmp_path, name):
    with pytest.raises(subprocess.CalledProcessError) as raised:
        make_key(tmp_path / "w1", name)
    assert "neither a space nor a plus sign" in raised.value.stderr
    assert not (tmp_path / "w1").exists()


def refusal(folder: Path, *vkeys: str) -> str:
    """What it says when it does not start."""
    command = [sys.executable, "-m", "ledger.witness", "serve", "--port", "0", "--state", str(folder / "state")]
    command += ["--key", str(folder / "key"), *(word for vkey in vkeys for word in ("--log", vkey))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_does_not_start_with_a_key_or_state_that_it_cannot_trust(tmp_path):
    folder = tmp_path / "w1"
    printed = make_key(folder).strip()
    assert "not a verifier key" in refusal(folder, "log")
    assert "not an Ed25519 key of a log" in refusal(folder, LOG.vkey, printed)
    (folder / "key").chmod(0o640)
    assert "chmod 600" in refusal(folder, LOG.vkey)
    (folder / "key").chmod(0o600)
    (folder / "state").rmdir()
    assert "make a new key, too" in refusal(folder, LOG.vkey)
    (folder / "key").write_text("witness.example/w1 short\n")
    assert "64 hexadecimal digits" in refusal(folder, LOG.vkey)
    (folder / "key").unlink()
    assert "cannot be read" in refusal(folder, LOG.vkey)


def test_does_not_go_on_from_the_state_of_another_key(witness):
    assert witness.add(BODY).status == 200
    witness.kill()
    (witness.folder / "key").unlink()
    (witness.folder / "state").rename(witness.folder / "kept")
    make_key(witness.folder)
    (witness.folder / "state").rmdir()
    (witness.folder / "kept").rename(witness.folder / "state")
    assert "another key wrote it" in refusal(witness.folder, LOG.vkey)
