"""Whatever a witness answers, or fails to: what is kept, what raises an alarm, and what freezes the log."""

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from ledger.cosignatures import CosignatureSigner
from ledger.freezing import current_freeze
from ledger.models import Alarm, Cosignature, FinalCheckpoint, LogHead, WitnessMemory
from ledger.notes import TreeHead, parse_note
from ledger.services import sequence_batch
from ledger.settling import MOST_KEPT_OF_AN_ANSWER
from ledger.trust import final_size
from ledger.witness_client import LARGEST_ANSWER, TIMEOUT_SECONDS
from ledger.witnessing import gather_cosignatures, known_elsewhere
from tests.builders_ledger import submit_many
from tests.ledger.witnesses import Drip, FakeWitness, Received, Reply, honest, policy_text, says

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = {"Content-Type": "text/x.tlog.size"}


def gather(later: float = 0) -> bool:
    return gather_cosignatures(at=timezone.now() + timedelta(seconds=later))


def carl() -> tuple[str, int]:
    memory = WitnessMemory.objects.get(name="carl")
    return memory.state, memory.size


def line_of_another_key(witness: FakeWitness, received: Received) -> Reply:
    other = CosignatureSigner(witness.key.name, b"o" * 32)
    return 200, other.cosign(received.text, int(time.time())).encode(), {}


def line_of_another_checkpoint(witness: FakeWitness, received: Received) -> Reply:
    head = TreeHead.parse(received.text)
    other = TreeHead(head.origin, head.size + 1, head.root_hash).text()
    return 200, witness.signer.cosign(other, int(time.time())).encode(), {}


def line_with_a_broken_signature(witness: FakeWitness, received: Received) -> Reply:
    line = witness.cosign(received)
    return 200, (line[:-4] + ("A" if line[-4] != "A" else "B") + line[-3:]).encode(), {}


def two_lines(witness: FakeWitness, received: Received) -> Reply:
    return 200, (witness.cosign(received) + witness.cosign(received, seconds_off=-1)).encode(), {}


def stale(witness: FakeWitness, received: Received) -> Reply:
    return 200, witness.cosign(received, seconds_off=-301).encode(), {}


def ahead_of_time(witness: FakeWitness, received: Received) -> Reply:
    return 200, witness.cosign(received, seconds_off=310).encode(), {}


def whole_note(witness: FakeWitness, received: Received) -> Reply:
    return 200, (received.note + witness.cosign(received)).encode(), {}


def too_much(witness: FakeWitness, received: Received) -> Reply:
    return 200, (witness.cosign(received) * LARGEST_ANSWER).encode(), {}


WRONG = {
    "another key": line_of_another_key,
    "another checkpoint": line_of_another_checkpoint,
    "a broken signature": line_with_a_broken_signature,
    "two lines": two_lines,
    "a stale time": stale,
    "a time to come": ahead_of_time,
    "a whole note": whole_note,
    "too much": too_much,
    "nothing": says(200),
    "zeros": says(200, "\0\0\n"),
    "a page": says(200, "<html>\n\n</html>"),
}


@pytest.mark.parametrize("answer", list(WRONG))
def test_a_wrong_cosignature_raises_an_alarm_and_is_not_kept(cast, answer):
    cast(WRONG[answer])
    gather()
    assert final_size() == 5
    assert set(Cosignature.objects.values_list("witness_name", flat=True)) == {"anna", "bert"}
    alarm = Alarm.objects.get()
    assert (alarm.code, alarm.witness_name) == ("witness_wrong", "carl")
    assert alarm.evidence["checkpoint"] == LogHead.objects.get().note
    assert len(alarm.evidence["answer"]) <= MOST_KEPT_OF_AN_ANSWER
    assert carl() == ("alarm", 0)
    assert current_freeze() is None


@pytest.mark.parametrize("status", [400, 403, 404, 302, 201])
def test_a_refusal_raises_one_alarm_until_the_answer_changes(cast, status):
    witnesses = cast(says(status, "no\n", Location="http://127.0.0.1:1/elsewhere"))
    gather()
    gather(later=11)
    gather(later=22)
    assert len(witnesses[2].received) == 3
    assert [(alarm.code, alarm.evidence["status"]) for alarm in Alarm.objects.all()] == [("witness_refuses", status)]
    assert carl() == ("refusing", 0)
    assert current_freeze() is None
    assert final_size() == 5
    witnesses[2].answer = says(418)
    gather(later=33)
    assert Alarm.objects.count() == 1
    witnesses[2].answer = honest
    gather(later=44)
    assert carl() == ("good", 5)


def test_who_refused_is_not_asked_with_every_checkpoint(cast):
    witnesses = cast(says(404))
    for _ in range(4):
        gather()
        submit_many(1, timezone.now())
        sequence_batch(at=timezone.now())
    assert len(witnesses[2].received) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_witness_that_cannot_answer_now_is_silent(cast, status):
    cast(says(status, "later"))
    gather()
    assert carl() == ("silent", 0)
    assert not Alarm.objects.exists()
    assert final_size() == 5


def test_a_smaller_size_is_tried_once_more(cast):
    def at_three(witness: FakeWitness, received: Received) -> Reply:
        return honest(witness, received) if received.old_size == 3 else (409, b"3\n", SIZE)

    witnesses = cast(at_three)
    gather()
    assert [asked.old_size for asked in witnesses[2].received] == [0, 3]
    proof = witnesses[2].received[1].body.split("\n\n", 1)[0].split("\n")[1:]
    assert len(proof) == 4
    assert carl() == ("good", 5)
    assert not Alarm.objects.exists()


def test_a_second_conflict_is_not_tried_again(cast):
    witnesses = cast(lambda _, received: (409, f"{(received.old_size + 1) % 4}\n".encode(), SIZE))
    gather()
    assert len(witnesses[2].received) == 2
    assert carl()[0] == "alarm"
    assert set(Alarm.objects.values_list("code", flat=True)) == {"witness_wrong"}
    assert current_freeze() is None


def test_lines_of_unknown_keys_beside_the_known_one_are_passed_over(cast):
    def with_a_newer_key(witness: FakeWitness, received: Received) -> Reply:
        other = line_of_another_key(witness, received)[1]
        assert other is not None
        return 200, other + witness.cosign(received).encode(), {}

    cast(with_a_newer_key, needed=3)
    gather()
    assert final_size() == 5
    assert (
        parse_note(FinalCheckpoint.objects.get().note).signatures[-1].key_id
        == Cosignature.objects.get(witness_name="carl").key_id
    )


def test_redirects_are_not_followed_and_proxies_not_used(cast, monkeypatch):
    elsewhere = FakeWitness("mallory", honest)
    monkeypatch.setenv("http_proxy", elsewhere.url)
    monkeypatch.setenv("HTTP_PROXY", elsewhere.url)
    cast(says(307, Location=f"{elsewhere.url}/add-checkpoint"))
    gather()
    assert elsewhere.received == []
    assert carl()[0] == "refusing"
    elsewhere.kill()


def slow(seconds: float) -> Callable[[FakeWitness, Received], Reply]:
    def answer(witness: FakeWitness, received: Received) -> Reply:
        time.sleep(seconds)
        return honest(witness, received)

    return answer


def test_a_hung_witness_costs_the_others_nothing(cast):
    cast(slow(TIMEOUT_SECONDS + 2))
    started = time.monotonic()
    gather()
    assert TIMEOUT_SECONDS - 0.2 < time.monotonic() - started < TIMEOUT_SECONDS + 1
    final = FinalCheckpoint.objects.get()
    assert (final.final_at - Cosignature.objects.earliest("pk").received_at).total_seconds() < 0.5
    assert carl() == ("silent", 0)
    assert not Alarm.objects.exists()


def test_a_slow_witness_is_left_behind_when_a_newer_checkpoint_waits(cast):
    """Its answer to the older one is kept all the same, as soon as it comes."""
    witnesses = cast(slow(1.2))
    started = time.monotonic()
    witnesses[1].answer = grow_then_cosign
    assert gather() is True
    assert time.monotonic() - started < 1
    assert final_size() == 5
    assert gather() is False
    assert final_size() == 6
    assert Cosignature.objects.filter(witness_name="carl", size=5).exists()
    gather()
    assert carl() == ("good", 6)


def grow_then_cosign(witness: FakeWitness, received: Received) -> Reply:
    if len(witness.received) == 1:
        from django.db import connection

        submit_many(1, timezone.now())
        sequence_batch(at=timezone.now())
        connection.close()
    return honest(witness, received)


def test_one_byte_at_a_time_is_cut_off_and_is_no_conflict(cast, settings):
    witnesses = cast(honest)
    drip = Drip()
    text = settings.LEDGER_POLICY_FILE.read_text().replace(witnesses[2].url, drip.url)
    settings.LEDGER_POLICY_FILE.write_text(text)
    started = time.monotonic()
    gather()
    assert time.monotonic() - started < TIMEOUT_SECONDS + 1
    assert carl() == ("silent", 0)
    assert current_freeze() is None
    drip.shutdown()
    drip.server_close()


def test_half_an_answer_is_no_answer(cast):
    cast(says(409, "5", **{"Content-Length": "7"}))
    gather()
    assert carl() == ("silent", 0)
    assert current_freeze() is None


def test_a_witness_that_hangs_up_is_silent(cast):
    cast(lambda _, received: (200, None, {}))
    gather()
    assert carl() == ("silent", 0)
    assert final_size() == 5


def test_a_quorum_that_is_asked_for_later_is_found_in_what_is_stored(cast, settings):
    witnesses = cast(says(500), needed=3)
    gather()
    assert final_size() == 0
    settings.LEDGER_POLICY_FILE.write_text(policy_text(*witnesses, needed=2))
    gather()
    assert final_size() == 5


def test_a_witness_that_left_the_policy_does_not_count(cast, settings):
    witnesses = cast(says(500), needed=3)
    gather()
    settings.LEDGER_POLICY_FILE.write_text(policy_text(*witnesses[1:], needed="all"))
    gather()
    assert final_size() == 0
    assert set(WitnessMemory.objects.values_list("name", flat=True)) == {"bert", "carl"}


def test_a_note_that_another_log_signed_is_not_believed(cast):
    witnesses = cast(honest)
    gather()
    good = witnesses[0].received[0].note
    witnesses[0].answer = says(200, good)
    witnesses[1].answer = says(200, good.replace("\n5\n", "\n9\n"))
    witnesses[2].answer = says(404)
    known = known_elsewhere(timezone.now())
    assert [(head.witness_name, head.head.size) for head in known] == [("anna", 5)]
    assert list(Alarm.objects.values_list("code", "witness_name")) == [("witness_wrong", "bert")]
