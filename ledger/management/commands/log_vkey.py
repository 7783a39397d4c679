from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledger.errors import LedgerError
from ledger.signing import log_verifier_key


class Command(BaseCommand):
    help = "Print the log's verifier key (vkey), for LEDGER_VKEY and for whoever checks the log."
    # Needed before everything else is set.
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(str(log_verifier_key()))
        except LedgerError as error:
            raise CommandError(str(error)) from error
