"""Write the record of erasures, to be kept beside the backups: it names nobody."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace.erasure.files import erasures, write_record
from marketplace.erasure.marks import record_text


class Command(BaseCommand):
    help = "Write which accounts were erased, by marks that name nobody. Replay it after a backup was restored."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, nargs="?", help="where to write; without it the record is printed")

    def handle(self, *args: Any, file: Path | None, **options: Any) -> None:
        if file is None:
            self.stdout.write(record_text(erasures()), ending="")
            return
        try:
            write_record(file, erasures())
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{len(erasures())} erasures are in {file}.")
