"""A log whose checkpoints two of three witnesses cosign, without asking anybody."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ledger.models import Checkpoint, Cosignature, FinalCheckpoint
from ledger.notes import parse_note
from ledger.policy import LogPolicy, PolicyLog
from ledger.services import sequence_batch
from ledger.signing import log_verifier_key
from tests.builders_ledger import submit_many
from tests.builders_receipts import COSIGNED_AT, POLICY, WITNESSES


def our_policy() -> LogPolicy:
    return replace(POLICY, logs=(PolicyLog(log_verifier_key()),))


def trust_witnesses(settings: Any, folder: Path) -> None:
    """Let the log have the witnesses of tests.builders_receipts; two of them are a quorum."""
    settings.LEDGER_POLICY_FILE = folder / "policy"
    named = replace(
        POLICY,
        logs=(),
        witnesses=tuple(replace(w, url=f"http://127.0.0.1:1/{w.name}") for w in POLICY.witnesses),
    )
    settings.LEDGER_POLICY_FILE.write_text(named.text())


def append(at: datetime, *counts: int) -> None:
    for count in counts:
        submit_many(count, at)
        sequence_batch(at=at)


def cosign(size: int, at: datetime, witnesses: int = 2) -> None:
    """Keep cosignatures as the log does when they arrive; with two of them the checkpoint is final."""
    note = Checkpoint.objects.get(size=size).note
    text = parse_note(note).text
    lines = [witness.cosign(text, COSIGNED_AT) for witness in WITNESSES[:witnesses]]
    for number, line in enumerate(lines):
        key_id = WITNESSES[number].verifier_key.key_id
        Cosignature.objects.create(
            size=size, witness_name=f"maker{number + 1}", key_id=key_id, line=line, cosigned_at=at, received_at=at
        )
    if witnesses >= 2:
        FinalCheckpoint.objects.create(size=size, note=note + "".join(lines), final_at=at)
