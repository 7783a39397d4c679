"""Every row of the witness's table of answers, asked over HTTP of a process of its own."""

import base64
import hashlib
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.cosignatures import CosignatureSigner
from ledger.merkle import EMPTY_ROOT
from ledger.notes import NoteSigner, TreeHead, parse_note, verify_note
from ledger.submissions import Submission
from tests.ledger.witness_process import ORIGIN, PREFIX, SmallLog, WitnessProcess, make_key

LOG = SmallLog()
NEXT_KEY = NoteSigner(ORIGIN, bytes([7]) * 32)
OTHER = SmallLog("other.example/log", seed=2)
LOGS = [LOG.vkey, str(NEXT_KEY.verifier_key), OTHER.vkey]
STRANGER = SmallLog("stranger.example/log", seed=3)
FORK = SmallLog(shared=5)
MALLORY = SmallLog(seed=66)
TEXT = "text/plain; charset=utf-8"


@pytest.fixture
def at_ten(witness: WitnessProcess) -> WitnessProcess:
    """A witness that has cosigned size 10."""
    assert witness.add(LOG.submission(0, 10)).status == 200
    return witness


def test_cosigns_from_the_start_and_as_the_log_grows(witness):
    before = int(time.time())
    last = 0
    for old, size in [(0, 1), (1, 2), (2, 10), (10, 10), (10, 64), (64, 65), (65, 300)]:
        answer = witness.add(LOG.submission(old, size))
        at = witness.time_of(answer, LOG.checkpoint(size))
        assert answer.content_type == TEXT
        assert max(before, last) <= at <= time.time()
        assert witness.size() == size
        last = at


def test_an_empty_log_is_cosigned_and_grows(witness):
    for _ in range(2):
        witness.time_of(witness.add(LOG.submission(0, 0)), LOG.checkpoint(0))
        assert witness.latest().status == 200
    assert witness.add(LOG.submission(0, 7)).status == 200
    assert witness.size() == 7


def test_each_log_has_its_own_state(at_ten):
    assert at_ten.add(OTHER.submission(0, 3)).status == 200
    assert (at_ten.size(), at_ten.size(OTHER.origin)) == (10, 3)


def test_the_monitor_reads_the_last_checkpoint(at_ten):
    answer = at_ten.latest()
    assert (answer.status, answer.content_type) == (200, TEXT)
    note = parse_note(answer.body)
    assert TreeHead.parse(note.text) == LOG.head(10)
    assert verify_note(note, [LOG.signer.verifier_key, at_ten.key]) == [LOG.signer.verifier_key, at_ten.key]


def test_the_monitor_gets_404_for_what_was_never_cosigned(witness):
    assert witness.latest().status == 404
    assert witness.latest(STRANGER.origin).status == 404


def test_only_lines_of_trusted_keys_are_kept_and_each_once(witness):
    head = LOG.head(4)
    lines = LOG.checkpoint(4) + LOG.checkpoint(4).partition("\n\n")[2]
    lines += CosignatureSigner("w9.example", bytes(32)).cosign(head.text(), 5)
    assert witness.add(LOG.submission(0, 4, lines)).status == 200
    names = [signature.name for signature in parse_note(witness.latest().body).signatures]
    assert names == [ORIGIN, "witness.example/w1"]


def test_extension_lines_are_cosigned_too(witness):
    checkpoint = LOG.signer.sign(LOG.head(4).text() + "extension\n")
    answer = witness.add(LOG.submission(0, 4, checkpoint))
    witness.time_of(answer, checkpoint)


def test_both_keys_of_a_rotation_are_trusted(at_ten):
    text = LOG.head(12).text()
    both = LOG.signer.sign(text) + NEXT_KEY.sign(text).removeprefix(f"{text}\n")
    assert at_ten.add(LOG.submission(10, 12, both)).status == 200
    assert at_ten.add(LOG.submission(12, 13, NEXT_KEY.sign(LOG.head(13).text()))).status == 200
    assert at_ten.size() == 13


GOOD = LOG.submission(10, 12).text().encode()
LINE = base64.b64encode(bytes(32)).decode()
ORIGIN_BYTES = ORIGIN.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"old 10\n",
        b"old 10\n\n",
        GOOD.removeprefix(b"old 10\n"),
        GOOD.replace(b"old 10", b"old 010"),
        GOOD.replace(b"old 10", b"old  10"),
        GOOD.replace(b"old 10", b"old -10"),
        GOOD.replace(b"old 10", b"old 10 "),
        GOOD.replace(b"old 10", b"Old 10"),
        GOOD.replace(b"old 10", b"old " + b"9" * 30),
        GOOD.replace(b"old 10", "old ١٠".encode()),
        GOOD.replace(b"\n", b"\r\n"),
        GOOD.replace(b"old 10\n", b"old 10\nAAAA\n"),
        GOOD.replace(b"old 10\n", f"old 10\n{LINE[:-2]}B=\n".encode()),
        GOOD.replace(b"old 10\n", f"old 10\n{LINE} \n".encode()),
        GOOD.replace(b"old 10\n", f"old 10\n{f'{LINE}{chr(10)}' * 64}".encode()),
        GOOD.replace(b"\n12\n", b"\n012\n"),
        GOOD.replace(b"\n12\n", b"\n"),
        GOOD.removesuffix(b"\n"),
        GOOD + b"\n",
        GOOD + b"\xff",
        GOOD.replace("—".encode(), b"-"),
        GOOD.replace(ORIGIN_BYTES, ORIGIN_BYTES + b"\t", 1),
        LOG.submission(13, 12).text().encode(),
    ],
)
def test_400_malformed_or_an_old_size_beyond_the_checkpoint(at_ten, body):
    assert at_ten.add(body).status == 400
    assert at_ten.size() == 10


@pytest.mark.parametrize(
    "checkpoint",
    [
        MALLORY.checkpoint(12),
        LOG.checkpoint(12).replace("\n12\n", "\n13\n"),
        LOG.checkpoint(12) + LOG.checkpoint(13).partition("\n\n")[2],
        LOG.checkpoint(12) + NEXT_KEY.sign("something else\n").partition("\n\n")[2],
        OTHER.signer.sign(LOG.head(12).text()),
    ],
    ids=["stranger", "changed", "one line fails", "next key's line fails", "another log's key"],
)
def test_403_no_trusted_signature_or_one_that_fails(at_ten, checkpoint):
    assert at_ten.add(LOG.submission(10, 12, checkpoint)).status == 403
    assert at_ten.size() == 10


def test_404_an_unknown_origin(at_ten):
    assert at_ten.add(STRANGER.submission(0, 3)).status == 404
    # Also before anything else is looked at, and when a key of a known log signed it.
    assert at_ten.add(STRANGER.submission(5, 3)).status == 404
    assert at_ten.add(Submission(0, (), LOG.signer.sign(STRANGER.head(3).text()))).status == 404


@pytest.mark.parametrize(("old", "size"), [(0, 10), (0, 12), (9, 12), (11, 12), (9, 10), (5, 7), (9, 9), (0, 0)])
def test_409_another_old_size_and_the_size_that_it_should_have_been(at_ten, old, size):
    assert at_ten.add(LOG.submission(old, size)) == (409, "text/x.tlog.size", b"10\n")
    assert at_ten.size() == 10


def test_409_on_a_fresh_witness_says_zero(witness):
    assert witness.add(LOG.submission(3, 5)) == (409, "text/x.tlog.size", b"0\n")
    assert witness.latest().status == 404


def test_the_repeat_is_a_conflict_and_asking_again_at_the_same_size_is_not(at_ten):
    growth = LOG.submission(10, 12)
    assert at_ten.add(growth).status == 200
    assert at_ten.add(growth) == (409, "text/x.tlog.size", b"12\n")
    assert at_ten.add(LOG.submission(12, 12)).status == 200


def wrong_proofs() -> dict[str, Submission]:
    good = LOG.submission(10, 12)
    flipped = bytes([good.proof[0][0] ^ 1]) + good.proof[0][1:]
    empty = TreeHead(ORIGIN, 0, bytes(32))
    return {
        "flipped": Submission(10, (flipped, *good.proof[1:]), good.checkpoint),
        "short": Submission(10, good.proof[:-1], good.checkpoint),
        "long": Submission(10, (*good.proof, bytes(32)), good.checkpoint),
        "none": Submission(10, (), good.checkpoint),
        "fork": FORK.submission(10, 12),
        "equal size, another root": FORK.submission(10, 10),
        "equal size, with a proof": Submission(10, (bytes(32),), LOG.checkpoint(10)),
        "size 0, wrong root": Submission(0, (), LOG.signer.sign(empty.text())),
    }


@pytest.mark.parametrize("case", [name for name in wrong_proofs() if not name.startswith("size 0")])
def test_422_the_proof_does_not_hold(at_ten, case):
    assert at_ten.add(wrong_proofs()[case]).status == 422
    assert at_ten.size() == 10
    assert at_ten.add(LOG.submission(10, 12)).status == 200


def test_422_a_proof_from_size_zero_and_an_empty_log_without_the_empty_root(witness):
    assert witness.add(Submission(0, (bytes(32),), LOG.checkpoint(3))).status == 422
    assert witness.add(wrong_proofs()["size 0, wrong root"]).status == 422
    assert LOG.head(0).root_hash == EMPTY_ROOT
    assert witness.latest().status == 404


def test_the_evidence_of_a_fork_is_kept_and_the_first_one_stays(at_ten):
    path = at_ten.folder / "state" / f"{hashlib.sha256(ORIGIN_BYTES).hexdigest()}.fork"
    assert at_ten.add(MALLORY.submission(10, 10)).status == 403
    assert at_ten.add(FORK.submission(10, 12)).status == 422
    assert not path.exists()
    assert at_ten.add(FORK.submission(10, 10)).status == 422
    kept = parse_note(path.read_text())
    assert TreeHead.parse(kept.text) == FORK.head(10)
    assert verify_note(kept, [LOG.signer.verifier_key])
    at_ten.add(SmallLog(shared=3).submission(10, 10))
    assert parse_note(path.read_text()) == kept


def test_the_state_outlives_the_process(at_ten):
    at_ten.kill()
    at_ten.start()
    assert at_ten.size() == 10
    assert at_ten.add(LOG.submission(0, 12)) == (409, "text/x.tlog.size", b"10\n")
    assert at_ten.add(FORK.submission(10, 12)).status == 422
    assert at_ten.add(LOG.submission(10, 12)).status == 200


def test_a_clock_set_back_does_not_make_the_next_cosignature_older(witness):
    """Here by a state of tomorrow, made with the witness's own key."""
    name, seed = (witness.folder / "key").read_text().split()
    tomorrow = int(time.time()) + 86_400
    line = CosignatureSigner(name, bytes.fromhex(seed)).cosign(LOG.head(10).text(), tomorrow)
    (witness.folder / "state" / hashlib.sha256(ORIGIN_BYTES).hexdigest()).write_text(LOG.checkpoint(10) + line)
    assert witness.time_of(witness.add(LOG.submission(10, 10)), LOG.checkpoint(10)) == tomorrow
    assert witness.time_of(witness.add(LOG.submission(10, 12)), LOG.checkpoint(12)) == tomorrow


@pytest.mark.parametrize("path", ["/", "/add-checkpoint", f"{PREFIX}/add-checkpoint/", f"{PREFIX}/add-checkpoint?x"])
def test_other_addresses_are_not_there(witness, path):
    assert witness.ask("POST", path, LOG.submission(0, 3).text().encode()).status == 404
    assert witness.ask("GET", path).status == 404
    assert witness.latest().status == 404


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WitnessProcess]:
    folder = tmp_path_factory.mktemp("fuzzed") / "w1"
    make_key(folder)
    running = WitnessProcess(folder, [LOG.vkey, OTHER.vkey])
    assert running.add(LOG.submission(0, 10)).status == 200
    yield running
    running.kill()


def spoiled(place: int, put: bytes, cut: int) -> bytes:
    place %= len(GOOD)
    return GOOD[:place] + put + GOOD[place + cut :]


BYTES = st.binary(max_size=12) | st.sampled_from([b"\n", b"\n\n", b"old 0\n", b"=", b" ", "— ".encode(), b"0"])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.builds(spoiled, st.integers(0, 1000), BYTES, st.integers(0, 40)))
def test_any_bytes_are_answered_and_only_the_good_ones_cosigned(fuzzed, body):
    if body != GOOD:
        assert fuzzed.add(body).status in {400, 403, 404, 409, 422}
        assert fuzzed.size() == 10
