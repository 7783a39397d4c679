"""Replace the key that signs the log: first both sign, then the older one never again."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import orjson
from django.conf import settings
from django.db import transaction

from ledger.durable import sync_folder, write_durably
from ledger.entries import at_text
from ledger.errors import EntryRepeated, RotationRefused
from ledger.models import Entry
from ledger.notes import VerifierKey
from ledger.seeds import is_file, read_seed_file, write_once
from ledger.services import submit_entry
from ledger.signing import log_signers, log_verifier_keys, retired_file

KIND = "key.rotated"
# Names the entry by the two keys, so that a command that broke off can be run again.
_ROTATIONS = UUID("6f0c7a52-6d0e-5a3b-9c3d-2f1f6d3c8b11")


@dataclass(frozen=True, slots=True)
class Rotation:
    old: VerifierKey
    new: VerifierKey


def begin_rotation(*, overlap: timedelta, at: datetime) -> Rotation:
    """Let a new key sign beside the current one, and record both in the log. May be run again after a crash.

    With the seed in the environment the new one must be there already. Raises RotationRefused, SeedUnusable.
    """
    if not settings.LEDGER_SEED_HEX and current_rotation() is None:
        _add_seed_file()
    rotation = current_rotation()
    if rotation is None:
        raise RotationRefused(
            "The new seed is not set yet: LEDGER_SEED_HEX is the new one, LEDGER_PREVIOUS_SEED_HEX the old."
        )
    body = {"old": str(rotation.old), "new": str(rotation.new), "overlap_until": at_text(at + overlap)}
    try:
        with transaction.atomic():
            submit_entry(kind=KIND, body=body, key=_entry_key(rotation), at=at)
    except EntryRepeated as error:
        raise RotationRefused("Both keys sign already, and the log says so. The next step is --finish.") from error
    return rotation


def finish_rotation(*, is_early: bool, at: datetime) -> Rotation:
    """Let the older key sign no more; it stays a verifier key. With seeds in the environment only the check is ours.

    is_early: before the overlap is over that the log announced, as when the key was stolen. Raises RotationRefused.
    """
    rotation = current_rotation()
    if rotation is None:
        raise RotationRefused("One key signs: there is nothing to finish.")
    entry = Entry.objects.filter(kind=KIND, key=_entry_key(rotation)).first()
    if entry is None:
        raise RotationRefused("The new key is not recorded in the log yet.")
    overlap_until = orjson.loads(bytes(entry.body))["overlap_until"]
    # Both are written alike, in UTC, so that text compares as time.
    if at_text(at) < overlap_until and not is_early:
        raise RotationRefused(f"Both keys are to sign until {overlap_until}, as entry {entry.index} of the log says.")
    if settings.LEDGER_VKEY and rotation.new not in log_verifier_keys():
        raise RotationRefused("LEDGER_VKEY does not hold the new key yet.")
    if not settings.LEDGER_PREVIOUS_SEED_HEX:
        keys = dict.fromkeys((rotation.old, *log_verifier_keys()))
        write_durably(retired_file(), "".join(f"{key}\n" for key in keys if key != rotation.new))
        _forget(Path(settings.LEDGER_PREVIOUS_SEED_FILE))
    return rotation


def current_rotation() -> Rotation | None:
    """Return the two keys that sign, None when one does."""
    new, *others = (signer.verifier_key for signer in log_signers())
    return Rotation(others[0], new) if others else None


def _add_seed_file() -> None:
    """The current seed gets its second name before the first name is given to the new seed: it is never without one.

    A crash in between leaves one seed in both places, which signs once.
    """
    current, previous = Path(settings.LEDGER_SEED_FILE), Path(settings.LEDGER_PREVIOUS_SEED_FILE)
    seed = read_seed_file(current)
    if not write_once(previous, seed.hex().encode() + b"\n") and read_seed_file(previous) != seed:
        raise RotationRefused(f"{previous} holds another seed already.")
    following = current.with_name(f"{current.name}.next")
    if not is_file(following):
        write_once(following, secrets.token_hex(32).encode() + b"\n")
    following.replace(current)
    sync_folder(current.parent)


def _forget(path: Path) -> None:
    path.unlink()
    sync_folder(path.parent)


def _entry_key(rotation: Rotation) -> UUID:
    return uuid5(_ROTATIONS, f"{rotation.old} {rotation.new}")
