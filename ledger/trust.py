"""Which witnesses this log asks, how many of them make a checkpoint final, and up to where the log is final."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from ledger.errors import AddressUnusable, LedgerError, PolicyMalformed
from ledger.models import FinalCheckpoint
from ledger.notes import parse_note
from ledger.policy import LogPolicy, PolicyLog
from ledger.signing import log_verifier_keys
from ledger.witness_client import parse_address

# After a change of the policy the newest of them may have too few of its witnesses.
MOST_LOOKED_AT = 20


def log_policy() -> LogPolicy:
    """Return the policy of this log: our own keys, and the witnesses of LEDGER_POLICY_FILE. Raises PolicyMalformed."""
    logs = tuple(PolicyLog(key, settings.LEDGER_URL) for key in log_verifier_keys())
    return replace(witness_policy(), logs=logs)


def witness_policy() -> LogPolicy:
    """Return what LEDGER_POLICY_FILE says. When none is named, there are no witnesses, and nothing becomes final.

    Raises PolicyMalformed, also when two disjoint sets of witnesses would each be enough: then the log could show two
    histories, both of them final.
    """
    policy = _read_policy(settings.LEDGER_POLICY_FILE)
    if policy.logs:
        raise PolicyMalformed("It names a log. Leave the log lines out: they are made of our own keys.")
    for witness in policy.witnesses:
        try:
            parse_address(witness.url)
        except AddressUnusable as error:
            raise PolicyMalformed(f"The witness {witness.name} cannot be asked. {error}") from error
    if is_splittable(policy):
        raise PolicyMalformed(
            "Two sets of witnesses without a common member would each be a quorum. Ask for more than half of them."
        )
    return policy


def final_size() -> int:
    """Return how many entries, counted from the first, are final: as proven by what is stored, not as stored."""
    newest = FinalCheckpoint.objects.order_by("-size")
    return next((final.size for final in newest[:MOST_LOOKED_AT] if is_proven_final(final)), 0)


def is_proven_final(final: FinalCheckpoint) -> bool:
    """Whether the log's key and enough witnesses of the policy signed this very size."""
    return _is_quorum(final.note, final.size, log_policy().text())


@lru_cache(maxsize=256)
def _is_quorum(note: str, size: int, policy_text: str) -> bool:
    try:
        checked = LogPolicy.parse(policy_text).check(parse_note(note))
    except LedgerError:
        return False
    return checked.is_final and checked.head.size == size


def is_splittable(policy: LogPolicy) -> bool:
    """Whether the witnesses can be divided into two sets of which each is a quorum."""
    splittable: dict[str, bool] = {}
    for group in policy.groups:
        both = sum(splittable.get(member, False) for member in group.members)
        # A member that cannot be divided itself counts for one side only.
        splittable[group.name] = both + (len(group.members) - both) // 2 >= group.needed
    return splittable.get(policy.quorum, False)


def _read_policy(path: Path | None) -> LogPolicy:
    if path is None:
        return LogPolicy(())
    try:
        return LogPolicy.parse(path.read_bytes())
    except OSError as error:
        if isinstance(error, FileNotFoundError) and settings.IS_EMBEDDED:
            # Outside `make run` nobody made one.
            return LogPolicy(())
        raise PolicyMalformed(f"It cannot be read: {error.strerror}.") from error
