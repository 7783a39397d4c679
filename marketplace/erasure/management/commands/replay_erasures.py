"""Erase again, in a restored database, whoever was erased since the backup was made."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from marketplace.erasure.errors import RecordMalformed
from marketplace.erasure.files import remove_left_files
from marketplace.erasure.marks import read_record
from marketplace.erasure.models import LeftFile
from marketplace.erasure.replay import replay_erasures


class Command(BaseCommand):
    help = "Erase again whoever was erased after the restored backup was made. May be repeated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="what export_erasures wrote, or the file ERASURES_FILE")

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            erased_on = read_record(file.read_text())
        except (OSError, ValueError) as error:
            raise CommandError(f"{file} cannot be read.") from error
        except RecordMalformed as error:
            raise CommandError(f"{file}: {error} Nothing was erased.") from error
        replay = replay_erasures(erased_on, at=timezone.now())
        self.stdout.write(f"The record holds {len(erased_on)} erasures. Erased again now: {replay.erased_count}.")
        for wallet in replay.wallets:
            self.stdout.write(
                f"Settle by hand: {wallet.balance_micros} micros {wallet.currency} in {wallet.public_id}."
            )
        remove_left_files()
        if LeftFile.objects.exists():
            raise CommandError("Some files could not be removed. The worker tries again every five minutes.")
