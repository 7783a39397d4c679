from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from ledger.errors import KeyMalformed, SeedUnusable
from ledger.notes import check_key_name
from ledger.signing import log_signer


@register(Tags.security)
def check_signing_key(app_configs: Sequence[Any] | None, **_: object) -> list[CheckMessage]:
    """A log that cannot sign must not start; an embedded run makes its own key on first use."""
    try:
        check_key_name(settings.LEDGER_ORIGIN)
        if settings.IS_PRODUCTION or settings.LEDGER_SEED_HEX or settings.LEDGER_SEED_FILE.exists():
            log_signer()
    except KeyMalformed as error:
        return [Error(f"LEDGER_ORIGIN cannot name the log: {error}", id="ledger.E002")]
    except SeedUnusable as error:
        hint = "Set LEDGER_SEED_HEX, or LEDGER_SEED_FILE to a file of mode 0600."
        return [Error(str(error), hint=hint, id="ledger.E001")]
    return []
