"""Which policies this log takes, what it tells others about its witnesses, and what /log/checkpoint carries."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.urls import reverse

from ledger.checks import check_policy
from ledger.cosignatures import CosignatureSigner
from ledger.errors import PolicyMalformed
from ledger.models import Cosignature, LogHead
from ledger.notes import parse_note
from ledger.policy import LogPolicy
from ledger.services import sequence_batch
from ledger.signing import log_verifier_key
from ledger.trust import is_splittable, log_policy
from tests.builders_ledger import submit_many

SIGNERS = [CosignatureSigner(f"w{number}.invalid/w", bytes([number]) * 32) for number in range(7)]
KEYS = [signer.verifier_key for signer in SIGNERS]


def witness_lines(count: int) -> str:
    return "".join(f"witness w{number} {KEYS[number]} http://127.0.0.1:{9000 + number}\n" for number in range(count))


def flat(count: int, needed: int) -> str:
    names = " ".join(f"w{number}" for number in range(count))
    return f"{witness_lines(count)}group all-of-them {needed} {names}\nquorum all-of-them\n"


@pytest.fixture
def policy_file(settings: Any, tmp_path: Path) -> Path:
    settings.LEDGER_POLICY_FILE = tmp_path / "policy"
    return tmp_path / "policy"


@pytest.mark.parametrize("count", range(1, 8))
def test_a_quorum_is_more_than_half(policy_file, count):
    for needed in range(1, count + 1):
        policy_file.write_text(flat(count, needed))
        if needed * 2 > count:
            assert log_policy().has_witnesses
            assert check_policy(None) == []
        else:
            with pytest.raises(PolicyMalformed, match="more than half"):
                log_policy()
            assert [error.id for error in check_policy(None)] == ["ledger.E004"]


def splits_by_trying(policy: LogPolicy, count: int) -> bool:
    for chosen in range(2**count):
        sides = [[key for number, key in enumerate(KEYS[:count]) if (chosen >> number & 1) == side] for side in (0, 1)]
        if all(policy.is_quorum(side) for side in sides):
            return True
    return False


GROUPS = [
    "group a 2 w0 w1 w2\ngroup b 2 w3 w4 w5\ngroup q any a b\n",
    "group a 2 w0 w1 w2\ngroup b 2 w3 w4 w5\ngroup q all a b\n",
    "group a 1 w0 w1 w2\ngroup b 2 w3 w4 w5\ngroup q all a b\n",
    "group a 1 w0 w1 w2\ngroup b 1 w3 w4 w5\ngroup q all a b\n",
    "group a 1 w0 w1\ngroup b all w2 w3\ngroup q 2 a b w4\n",
    "group a 1 w0 w1\ngroup b all w2 w3\ngroup q 2 a b w4 w5\n",
    "group a any w0 w1\ngroup b any w2 w3\ngroup c any w4 w5\ngroup q 2 a b c\n",
    "group a all w0 w1\ngroup b all w2 w3\ngroup c all w4 w5\ngroup q 2 a b c\n",
    "group a any w0 w1\ngroup b all w2 w3\ngroup c all w4 w5\ngroup q 3 a b c\n",
    "group q any w0\n",
]


@pytest.mark.parametrize("number", range(len(GROUPS)))
def test_groups_of_groups_are_judged_as_by_trying_every_division(number):
    policy = LogPolicy.parse(f"{witness_lines(6)}{GROUPS[number]}quorum q\n")
    assert is_splittable(policy) == splits_by_trying(policy, 6)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("quorum nobody\n", "Line 1"),
        ("", "no quorum line"),
        (f"log {KEYS[0]}\nquorum none\n", "Line 1"),
        (f"witness w0 {KEYS[0]}\nquorum w0\n", "cannot be asked"),
        (f"witness w0 {KEYS[0]} ftp://127.0.0.1\nquorum w0\n", "cannot be asked"),
        (f"witness w0 {KEYS[0]} http://ben:secret@127.0.0.1\nquorum w0\n", "cannot be asked"),
        (f"witness w0 {KEYS[0]} http://127.0.0.1:99999\nquorum w0\n", "cannot be asked"),
        (f"witness w0 {KEYS[0]} https://\nquorum w0\n", "cannot be asked"),
        (f"witness w0 {KEYS[0]} https://w0.invalid?x=1\nquorum w0\n", "cannot be asked"),
    ],
    ids=range(9),
)
def test_refuses_an_unusable_policy(policy_file, text, why):
    policy_file.write_text(text)
    with pytest.raises(PolicyMalformed, match=why) as caught:
        log_policy()
    assert "secret" not in str(caught.value)
    assert "ledger.E004" in {error.id for error in run_checks()}


def test_refuses_a_foreign_log(policy_file):
    policy_file.write_text(f"log {log_verifier_key()}\nquorum none\n")
    with pytest.raises(PolicyMalformed, match="names a log"):
        log_policy()


def test_without_a_policy_nothing_is_ever_final(settings, policy_file):
    assert (log_policy().has_witnesses, log_policy().quorum) == (False, "none")
    settings.LEDGER_POLICY_FILE = None
    assert not log_policy().has_witnesses
    assert check_policy(None) == []


def test_production_needs_the_file_that_it_names(settings, policy_file):
    settings.IS_PRODUCTION, settings.IS_EMBEDDED = True, False
    with pytest.raises(PolicyMalformed, match="cannot be read"):
        log_policy()
    settings.LEDGER_POLICY_FILE = None
    assert [message.id for message in check_policy(None)] == ["ledger.I001"]


def test_anyone_reads_the_policy(client, policy_file):
    policy_file.write_text(flat(3, 2))
    response = client.get(reverse("log_policy"))
    assert (response.status_code, response["Content-Type"]) == (200, "text/plain; charset=utf-8")
    served = LogPolicy.parse(response.content)
    assert [log.key for log in served.logs] == [log_verifier_key()]
    assert [witness.key for witness in served.witnesses] == KEYS[:3]
    assert (served.quorum, served.groups[0].needed) == ("all-of-them", 2)
    assert client.get(reverse("log_policy"), headers={"If-None-Match": response["ETag"]}).status_code == 304
    assert client.post(reverse("log_policy")).status_code == 405
    assert reverse("log_policy") == "/log/policy"


def keep_line(number: int, size: int, at: Any) -> str:
    text = parse_note(LogHead.objects.get().note).text
    line = SIGNERS[number].cosign(text, int(at.timestamp()))
    Cosignature.objects.create(
        size=size, witness_name=f"w{number}", key_id=KEYS[number].key_id, line=line, cosigned_at=at, received_at=at
    )
    return line


@pytest.mark.django_db
def test_the_checkpoint_carries_the_newest_line_of_each_witness(client, policy_file, now):
    policy_file.write_text(flat(3, 2))
    submit_many(3, now)
    sequence_batch(at=now)
    note = LogHead.objects.get().note
    bare = client.get(reverse("log_checkpoint"))
    assert bare.content.decode() == note
    keep_line(0, 3, now)
    second = keep_line(1, 3, now)
    newer = keep_line(0, 3, now + timedelta(minutes=10))
    cosigned = client.get(reverse("log_checkpoint"), headers={"If-None-Match": bare["ETag"]})
    assert cosigned.status_code == 200
    text = cosigned.content.decode()
    assert text.startswith(note)
    assert sorted(text.removeprefix(note).splitlines(keepends=True)) == sorted([second, newer])
    submit_many(1, now)
    sequence_batch(at=now)
    assert client.get(reverse("log_checkpoint")).content.decode() == LogHead.objects.get().note
