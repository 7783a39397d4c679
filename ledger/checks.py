from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, register

from ledger.errors import KeyMalformed, PolicyMalformed, SeedUnusable
from ledger.notes import check_key_name
from ledger.signing import log_signer, log_verifier_key
from ledger.trust import witness_policy


@register(Tags.security)
def check_signing_key(app_configs: Sequence[Any] | None, **_: object) -> list[CheckMessage]:
    """A process without the log's keys must not start; an embedded run makes its own on first use."""
    try:
        check_key_name(settings.LEDGER_ORIGIN)
    except KeyMalformed as error:
        return [Error(f"LEDGER_ORIGIN cannot name the log: {error}", id="ledger.E002")]
    try:
        if settings.LEDGER_VKEY:
            log_verifier_key()
        if settings.LEDGER_SEED_HEX or settings.LEDGER_SEED_FILE.exists() or is_seed_needed():
            log_signer()
    except KeyMalformed as error:
        return [Error(f"LEDGER_VKEY is not the key of this log: {error}", id="ledger.E003")]
    except SeedUnusable as error:
        hint = "Set LEDGER_SEED_HEX, or LEDGER_SEED_FILE to a file of mode 0600; where nothing is signed, LEDGER_VKEY."
        return [Error(str(error), hint=hint, id="ledger.E001")]
    return []


@register(Tags.security)
def check_policy(app_configs: Sequence[Any] | None, **_: object) -> list[CheckMessage]:
    try:
        policy = witness_policy()
    except PolicyMalformed as error:
        return [Error(f"LEDGER_POLICY_FILE cannot be used. {error}", id="ledger.E004")]
    if settings.IS_PRODUCTION and not policy.has_witnesses:
        hint = "Name the witnesses in LEDGER_POLICY_FILE; docs/operations.md shows one."
        return [Info("Nobody witnesses the log: nothing in it becomes final.", hint=hint, id="ledger.I001")]
    return []


def is_seed_needed() -> bool:
    return settings.IS_PRODUCTION and not settings.LEDGER_VKEY
