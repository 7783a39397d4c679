"""Witnesses that contradict the log: the word of one is an alarm, and what our own key signed against us a freeze."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from ledger.freezing import current_freeze, lift_freeze
from ledger.models import Alarm, Checkpoint, Cosignature, LogFreeze, LogHead, WitnessMemory
from ledger.notes import NoteSigner, TreeHead, parse_note
from ledger.services import sequence_batch
from ledger.settling import MOST_KEPT_OF_AN_ANSWER, cosignature_lines
from ledger.signing import sign_checkpoint
from ledger.startup import compare_head, hear_witnesses
from ledger.trust import final_size, log_policy
from ledger.witness_client import LARGEST_ANSWER
from ledger.witnessing import gather_cosignatures
from tests.builders_ledger import submit_many, tamper
from tests.ledger.witnesses import FakeWitness, Received, Reply, honest, policy_text, says

pytestmark = pytest.mark.django_db(transaction=True)

CLAIMS = {
    "422": says(422, "The proof does not lead to the root hash.\n"),
    "409 without a size": says(409, "conflict\n"),
    "409 with nothing": says(409),
    "409 with zeros": says(409, "\0"),
    "409 with leading zeros": says(409, "007\n"),
    "409 with a sign": says(409, "-1\n"),
    "409 with too much": says(409, "1" * (LARGEST_ANSWER + 1)),
    "409 with a larger size": says(409, "99\n"),
    "409 with an absurd size": says(409, "9999999999999999999\n"),
}


def commit(count: int) -> None:
    submit_many(count, timezone.now())
    sequence_batch(at=timezone.now())


def gather(later: float = 0) -> bool:
    return gather_cosignatures(at=timezone.now() + timedelta(seconds=later))


def state(name: str = "carl") -> str:
    return WitnessMemory.objects.get(name=name).state


def shows(note: str, status: int = 422) -> Callable[[FakeWitness, Received], Reply]:
    """Refuse every checkpoint, and show this one to anybody."""
    return lambda _, received: (200, note.encode(), {}) if received.method == "GET" else (status, b"", {})


@pytest.mark.parametrize("claim", list(CLAIMS))
def test_the_word_of_one_witness_is_an_alarm_and_stops_nothing(cast, claim):
    witnesses = cast(CLAIMS[claim])
    gather()
    assert current_freeze() is None
    assert final_size() == 5
    alarm = Alarm.objects.get()
    assert (alarm.code, alarm.witness_name) == ("witness_contradicts", "carl")
    assert alarm.evidence["checkpoint"] == LogHead.objects.get().note
    assert alarm.evidence["status"] == int(claim.split(" ")[0])
    assert len(alarm.evidence["answer"]) <= MOST_KEPT_OF_AN_ANSWER
    assert [asked.method for asked in witnesses[2].received] == ["POST", "GET"]
    assert state() == "alarm"
    for later in (11, 22):
        commit(1)
        gather(later)
    assert (final_size(), Alarm.objects.count(), current_freeze()) == (7, 1, None)
    witnesses[2].answer = honest
    gather(33)
    assert state() == "good"


def test_when_the_others_are_no_quorum_the_log_is_frozen(cast):
    witnesses = cast(says(422))
    witnesses[1].answer = says(409, "9\n")
    gather()
    freeze = LogFreeze.objects.get()
    assert freeze.code == "witnesses_contradict"
    assert freeze.sentence.endswith(": bert, carl.")
    assert Alarm.objects.filter(code="witness_contradicts").count() == 2
    assert Alarm.objects.filter(code="witnesses_contradict").exists()
    # What the third answered in the same round is kept, and nobody is asked again.
    assert Cosignature.objects.get().witness_name == "anna"
    before = [len(witness.received) for witness in witnesses]
    gather(later=11)
    assert [len(witness.received) for witness in witnesses] == before
    lift_freeze(by="operator", reason="They were mistaken.", at=timezone.now())
    witnesses[1].answer = witnesses[2].answer = honest
    gather(later=11)
    assert final_size() == 5
    assert current_freeze() is None


def test_who_does_not_answer_or_does_not_know_the_log_contradicts_nothing(cast):
    witnesses = cast(says(422))
    witnesses[0].answer, witnesses[1].answer = says(500), says(404)
    gather()
    assert (current_freeze(), state()) == (None, "alarm")


def test_without_a_quorum_there_is_none_to_lose(cast, settings):
    witnesses = cast(says(422))
    text = policy_text(*witnesses, needed=2).replace("quorum makers", "quorum none")
    settings.LEDGER_POLICY_FILE.write_text(text)
    gather()
    assert current_freeze() is None


def test_what_is_no_evidence(cast):
    witnesses = cast(says(422))
    other = TreeHead(LogHead.objects.get().note.split("\n", 1)[0], 9, b"o" * 32).text()
    notes = [
        LogHead.objects.get().note,
        Checkpoint.objects.earliest("pk").note,
        NoteSigner(other.split("\n", 1)[0], b"m" * 32).sign(other),
        LogHead.objects.get().note.replace("\n5\n", "\n9\n"),
        "<html>\n",
        "",
    ]
    for turn, note in enumerate(notes):
        commit(1)
        witnesses[2].answer = shows(note)
        gather(11 * turn)
        assert (current_freeze(), state()) == (None, "alarm"), note
    assert final_size() == 5 + len(notes)


@pytest.mark.parametrize(("size", "code"), [(9, "log_rolled_back"), (5, "log_forked"), (3, "log_forked")])
@pytest.mark.parametrize("answer", [422, 409])
def test_what_our_own_key_signed_freezes_the_log(cast, size, code, answer):
    """Although the others made the head final: one of the two histories was shown to somebody."""
    commit(3)
    origin = LogHead.objects.get().note.split("\n", 1)[0]
    note = sign_checkpoint(TreeHead(origin, size, b"o" * 32).text())
    witnesses = cast(shows(f"{note}\u2014 junk AAAAAAAA\n", answer))
    gather()
    freeze = LogFreeze.objects.get()
    assert freeze.code == code
    assert freeze.sentence.startswith("The witness carl knows ")
    assert freeze.evidence["shown"] == note
    assert freeze.evidence["known"] == parse_note(note).text
    assert (freeze.evidence["checkpoint"], freeze.evidence["status"]) == (LogHead.objects.get().note, answer)
    assert [(alarm.code, alarm.witness_name) for alarm in Alarm.objects.all()] == [(code, "carl")]
    assert [len(witness.received) for witness in witnesses] == [1, 1, 2]


def lose_a_tile() -> None:
    tamper("DELETE FROM ledger_tile WHERE level = 0 AND number = 1")


def test_a_missing_tile_is_told_for_each_witness_that_cannot_be_asked(cast):
    witnesses = cast(says(500))
    commit(295)
    gather()
    commit(300)
    lose_a_tile()
    for later in (0, 11, 22):
        commit(1)
        gather(later)
    assert final_size() == 300
    told = Alarm.objects.filter(code="tile_missing").values_list("witness_name", flat=True)
    # Carl never cosigned anything, so he is asked without a proof.
    assert sorted(told) == ["anna", "bert"]
    witnesses[2].answer = honest
    gather(33)
    assert state() == "good"


def test_a_missing_tile_hides_no_contradiction(cast):
    witnesses = cast(says(503))
    commit(295)
    note = LogHead.objects.get().note
    for witness in witnesses[:2]:
        witness.answer = shows(note)
    witnesses[2].answer = shows(sign_checkpoint(TreeHead(note.split("\n", 1)[0], 9999, b"o" * 32).text()))
    commit(400)
    lose_a_tile()
    comparison = compare_head(timezone.now())
    assert [refusal.code for refusal in comparison.contradictions] == [
        "tile_missing",
        "tile_missing",
        "log_rolled_back",
    ]
    assert [who for who, _ in comparison.agreeing] == ["The signer's memory"]
    assert hear_witnesses(timezone.now())
    freeze = LogFreeze.objects.get()
    assert freeze.code == "tile_missing"
    assert freeze.sentence.startswith("The witness anna knows 300 entries of this log, which cannot show that")
    assert set(Alarm.objects.values_list("code", flat=True)) == {"tile_missing", "log_rolled_back"}


def test_two_keys_may_share_a_short_id(cast):
    witnesses = cast(honest)
    gather()
    lines = cosignature_lines(5, log_policy())
    assert len(lines) == 3
    carl = Cosignature.objects.get(witness_name="carl")
    name, payload = witnesses[2].key.name, parse_note(f"-\n\n{carl.line}").signatures[0]
    twin = carl.line.replace(name, "mallory.invalid/w")
    Cosignature.objects.create(
        size=5,
        witness_name="mallory",
        key_id=payload.key_id,
        line=twin,
        cosigned_at=timezone.now() + timedelta(seconds=9),
        received_at=timezone.now(),
    )
    assert cosignature_lines(5, log_policy()) == lines


@pytest.mark.parametrize("line", ["nonsense\n", "\n\nnonsense\n", "\u2014 carl.invalid/w AAAA\n", ""])
def test_what_is_no_line_takes_the_place_of_none(cast, line):
    witnesses = cast(honest)
    gather()
    lines = cosignature_lines(5, log_policy())
    Cosignature.objects.create(
        size=5,
        witness_name="carl",
        key_id=witnesses[2].key.key_id,
        line=line,
        cosigned_at=timezone.now() + timedelta(seconds=9),
        received_at=timezone.now(),
    )
    assert cosignature_lines(5, log_policy()) == lines
