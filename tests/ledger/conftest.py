from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from ledger.services import sequence_batch
from ledger.witnessing import drop_questions
from marketplace.accounts.groups import AUDITOR
from marketplace.accounts.models import User
from tests.builders_ledger import submit_many
from tests.ledger.witness_process import WitnessProcess, make_key
from tests.ledger.witnesses import FakeWitness, RealWitness, Received, Reply, honest, policy_text


@pytest.fixture
def auditor(mallory: User, client: Client) -> Client:
    """A browser of somebody who is in the group of auditors and nothing else."""
    mallory.is_staff = True
    mallory.save()
    mallory.groups.add(Group.objects.get(name=AUDITOR))
    client.force_login(mallory)
    return client


@pytest.fixture
def anna(settings: Any, tmp_path: Path) -> Iterator[RealWitness]:
    """The only witness of this log's policy, as a process."""
    witness = RealWitness.create(tmp_path / "anna").start()
    settings.LEDGER_POLICY_FILE = tmp_path / "policy"
    settings.LEDGER_POLICY_FILE.write_text(policy_text(witness, needed=1))
    yield witness
    witness.kill()


@pytest.fixture
def witness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WitnessProcess]:
    """A witness that knows the logs that the test file names in LOGS; they are no logs of a database."""
    make_key(tmp_path / "w1")
    running = WitnessProcess(tmp_path / "w1", request.module.LOGS)
    yield running
    running.kill()


@pytest.fixture
def cast(settings: Any, tmp_path: Path) -> Iterator[Callable[..., list[FakeWitness]]]:
    """Make a log of five entries, two honest witnesses, anna and bert, and one, carl, that answers as the test says,
    with a policy of 2 of 3."""
    playing: list[FakeWitness] = []

    def play(answer: Callable[[FakeWitness, Received], Reply], needed: int = 2) -> list[FakeWitness]:
        playing.extend(FakeWitness(name, act) for name, act in (("anna", honest), ("bert", honest), ("carl", answer)))
        settings.LEDGER_POLICY_FILE = tmp_path / "policy"
        settings.LEDGER_POLICY_FILE.write_text(policy_text(*playing, needed=needed))
        submit_many(5, timezone.now())
        sequence_batch(at=timezone.now())
        return playing

    yield play
    # Questions of one test must not be answered in the next one.
    drop_questions(10)
    for witness in playing:
        witness.kill()
