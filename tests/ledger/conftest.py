from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from ledger import witnessing
from ledger.services import sequence_batch
from tests.builders_ledger import submit_many
from tests.ledger.witnesses import FakeWitness, Received, Reply, honest, policy_text


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
    for _, future in witnessing._asked.values():
        future.result(10)
    witnessing._asked.clear()
    for witness in playing:
        witness.kill()
