from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ledger.errors import LedgerError
from ledger.models import LogHead
from ledger.sequencer import begin_memory, signer_memory
from ledger.startup import Comparison, compare_head, freeze_contradicted


class Command(BaseCommand):
    help = (
        "Compare the log with what the signer remembers, the last export and the witnesses. Freezes it when one of"
        " them knows more than the database holds, or something else."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--begin-memory", action="store_true", help="let a signer that has no memory begin one at the compared head"
        )

    def handle(self, *args: Any, begin_memory: bool, **options: Any) -> None:
        at = timezone.now()
        try:
            comparison = compare_head(at)
            freeze_contradicted(comparison, at)
            self._tell(comparison)
            if begin_memory:
                self._begin_memory()
        except LedgerError as error:
            raise CommandError(str(error)) from error

    def _tell(self, comparison: Comparison) -> None:
        self.stdout.write(f"The log has {comparison.size} entries.")
        for who, head in comparison.agreeing:
            self.stdout.write(f"{who} knows {head.size} of them, and agrees.")
        for sentence in comparison.unread:
            self.stdout.write(f"Not compared. {sentence}")
        if comparison.contradictions:
            raise CommandError("The log is frozen. " + " ".join(map(str, comparison.contradictions)))

    def _begin_memory(self) -> None:
        if signer_memory().recall() is not None:
            raise CommandError("The signer has a memory already.")
        begin_memory(LogHead.objects.get(pk=1))
        self.stdout.write("The signer remembers from here on.")
