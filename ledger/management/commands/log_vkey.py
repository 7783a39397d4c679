from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledger.errors import LedgerError
from ledger.signing import log_verifier_keys


class Command(BaseCommand):
    help = "Print the log's verifier keys (vkey), newest first, as LEDGER_VKEY takes them."
    # Needed before everything else is set.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(" ".join(map(str, log_verifier_keys())))
        except LedgerError as error:
            raise CommandError(str(error)) from error
