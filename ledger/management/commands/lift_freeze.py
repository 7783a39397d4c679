from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ledger.errors import LedgerError
from ledger.freezing import lift_freeze
from ledger.startup import compare_head


class Command(BaseCommand):
    help = (
        "Let a frozen log go on, after its cause is gone. Refused while the signer's memory, the last export or a"
        " witness still contradicts the log: nothing lifts that but the missing entries."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", required=True, help="who decides it; kept for ever")
        parser.add_argument("--reason", required=True, help="what was wrong and how it was put right; kept for ever")

    def handle(self, *args: Any, by: str, reason: str, **options: Any) -> None:
        at = timezone.now()
        try:
            comparison = compare_head(at)
            if comparison.contradictions:
                raise CommandError("The cause is still there. " + " ".join(map(str, comparison.contradictions)))
            lift_freeze(by=by, reason=reason, at=at)
        except (LedgerError, ValueError) as error:
            raise CommandError(str(error)) from error
        for sentence in comparison.unread:
            self.stdout.write(f"Not compared. {sentence}")
        self.stdout.write(f"Lifted. {len(comparison.agreeing)} of those who remember the log agree with it.")
