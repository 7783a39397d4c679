"""A witness never goes back: not under concurrent requests, a second process, kill -9, or a full disk."""

import base64
import errno
import hashlib
import itertools
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import pytest

from ledger.cosignatures import CosignatureSigner
from ledger.errors import WitnessUnusable
from ledger.witness import Witness, read_key
from tests.ledger.witness_process import ORIGIN, Answer, SmallLog, WitnessProcess, make_key

LOG = SmallLog()
LOGS = [LOG.vkey]
FORK = SmallLog(shared=20)
STATE = hashlib.sha256(ORIGIN.encode()).hexdigest()
SECONDS_UNDER_LOAD = [0.02, 0.05, 0.08, 0.11, 0.17, 0.23, 0.31, 0.4]


@pytest.fixture
def second(witness: WitnessProcess) -> Iterator[WitnessProcess]:
    """Another process with the same key and the same state folder."""
    running = WitnessProcess(witness.folder, [LOG.vkey])
    yield running
    running.kill()


def test_of_many_at_once_one_grows_and_the_others_are_told_its_size(witness, second):
    size = 0
    with ThreadPoolExecutor(16) as pool:
        for step in range(12):
            sizes = [size + 1 + n for n in range(16)]
            # Half of them are asked of the second process.
            asked = list(zip(sizes, itertools.cycle([witness, second]), strict=False))
            answers = list(pool.map(lambda ask, old=size: ask[1].add(LOG.submission(old, ask[0])), asked))
            grown = [new for new, answer in zip(sizes, answers, strict=True) if answer.status == 200]
            assert len(grown) == 1, (step, answers)
            size = grown[0]
            conflict = Answer(409, "text/x.tlog.size", f"{size}\n".encode())
            assert [answer for answer in answers if answer.status != 200] == [conflict] * 15
            assert (witness.size(), second.size()) == (size, size)


def test_the_same_growth_at_once_is_cosigned_once(witness, second):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: [witness, second][n % 2].add(LOG.submission(0, 7)), range(16)))
    assert sorted(answer.status for answer in answers) == [200, *[409] * 15]


def test_of_two_histories_at_once_only_one_is_ever_cosigned(witness, second):
    assert witness.add(LOG.submission(0, 20)).status == 200
    with ThreadPoolExecutor(16) as pool:
        logs = [LOG, FORK] * 8
        statuses = list(pool.map(lambda log: witness.add(log.submission(20, 30)).status, logs))
    winner = logs[statuses.index(200)]
    loser = FORK if winner is LOG else LOG
    assert second.add(loser.submission(30, 40)).status == 422
    assert second.add(winner.submission(30, 40)).status == 200


class Pusher(threading.Thread):
    """Makes the log grow at a witness for as long as that lives, and remembers what was cosigned."""

    def __init__(self, witness: WitnessProcess, size: int) -> None:
        super().__init__()
        self.witness = witness
        self.sizes = [size]

    def run(self) -> None:
        while self.sizes[-1] < len(LOG.leaves):
            try:
                answer = self.witness.add(LOG.submission(self.sizes[-1], self.sizes[-1] + 1))
            except (OSError, HTTPException):
                return
            if answer.status == 409:
                self.sizes.append(int(answer.body))
            elif answer.status == 200:
                self.sizes.append(self.sizes[-1] + 1)


def test_kill_9_under_load_and_restart_never_goes_back(witness):
    size = 0
    for seconds in SECONDS_UNDER_LOAD:
        pushers = [Pusher(witness, size) for _ in range(4)]
        for pusher in pushers:
            pusher.start()
        time.sleep(seconds)
        witness.kill()
        for pusher in pushers:
            pusher.join(20)
        cosigned = max(pusher.sizes[-1] for pusher in pushers)
        witness.start()
        # At most one more: persisted, and killed before the answer was out.
        assert cosigned <= witness.size() <= cosigned + 1
        assert all(list(pusher.sizes) == sorted(pusher.sizes) for pusher in pushers)
        size = witness.size()
        assert witness.add(LOG.submission(size - 1, size)).status == 409 or size == 0
    assert size > len(SECONDS_UNDER_LOAD)


def test_a_clean_stop_under_load_leaves_no_request_without_its_answer(witness):
    size = 0
    for _ in range(3):
        pushers = [Pusher(witness, size) for _ in range(4)]
        for pusher in pushers:
            pusher.start()
        time.sleep(0.15)
        assert witness.stop() == 0
        for pusher in pushers:
            pusher.join(20)
        witness.start()
        assert witness.size() == max(pusher.sizes[-1] for pusher in pushers) > size
        size = witness.size()


def test_nothing_is_answered_before_the_file_and_its_folder_are_on_the_disk(tmp_path, monkeypatch):
    make_key(tmp_path / "w1")
    state = tmp_path / "w1" / "state"
    witness = Witness(read_key(tmp_path / "w1" / "key"), [LOG.signer.verifier_key], state)
    seen = []

    def watch(handle: int) -> None:
        seen.append((str(Path(f"/proc/self/fd/{handle}").readlink()), (state / STATE).exists()))

    monkeypatch.setattr("ledger.durable.os.fsync", watch)
    witness.add_checkpoint(LOG.submission(0, 7).text().encode(), at_seconds=5)
    assert seen == [(f"{state / STATE}.new", False), (str(state), True)]

    def fail(handle: int) -> None:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr("ledger.durable.os.fsync", fail)
    with pytest.raises(OSError, match="broken disk"):
        witness.add_checkpoint(LOG.submission(7, 8).text().encode(), at_seconds=6)


def test_a_draft_left_by_a_crash_is_not_believed(witness):
    assert witness.add(LOG.submission(0, 10)).status == 200
    witness.kill()
    (witness.folder / "state" / f"{STATE}.new").write_text("half a check")
    witness.start()
    assert witness.size() == 10
    assert witness.add(LOG.submission(10, 12)).status == 200
    assert witness.size() == 12


def test_on_a_full_disk_nothing_is_cosigned(witness):
    assert witness.add(LOG.submission(0, 10)).status == 200
    _, hard = resource.prlimit(witness.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    refused = witness.add(LOG.submission(10, 12))
    assert (refused.status, refused.body) == (500, b"The witness cannot read or write its state.\n")
    assert witness.size() == 10
    resource.prlimit(witness.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert witness.add(LOG.submission(10, 12)).status == 200


@pytest.mark.parametrize("content", [b"", b"\xff", b"half a check", LOG.checkpoint(10).encode()])
def test_a_damaged_state_is_never_taken_for_none(witness, content):
    """Also one that only the log signed."""
    assert witness.add(LOG.submission(0, 10)).status == 200
    (witness.folder / "state" / STATE).write_bytes(content)
    assert witness.add(LOG.submission(0, 12)).status == 500
    assert witness.latest().status == 500
    with pytest.raises(WitnessUnusable, match="damaged, or another key wrote it"):
        Witness(read_key(witness.folder / "key"), [LOG.signer.verifier_key], witness.folder / "state")
    assert (witness.folder / "state" / STATE).read_bytes() == content


def test_the_state_of_another_log_is_not_believed(witness):
    other = SmallLog("other.example/log", seed=2)
    name, seed = (witness.folder / "key").read_text().split()
    line = CosignatureSigner(name, bytes.fromhex(seed)).cosign(other.head(10).text(), 5)
    (witness.folder / "state" / STATE).write_text(other.checkpoint(10) + line)
    assert witness.add(LOG.submission(10, 12)).status == 500


def test_a_clock_that_jumps_back(tmp_path):
    make_key(tmp_path / "w1")
    signer = read_key(tmp_path / "w1" / "key")
    witness = Witness(signer, [LOG.signer.verifier_key], tmp_path / "w1" / "state")
    times = []
    for old, at in [(0, 0), (1, 1000), (2, 999), (3, -5), (4, 1001)]:
        line = witness.add_checkpoint(LOG.submission(old, old + 1).text().encode(), at_seconds=at)
        times.append(int.from_bytes(signature_bytes(line)[4:12], "big"))
    assert times == [1, 1000, 1000, 1000, 1001]


def signature_bytes(line: str) -> bytes:
    return base64.b64decode(line.split(" ")[2])
