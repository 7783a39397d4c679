from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ledger.errors import LedgerError
from ledger.exporting import export_log
from ledger.models import LogHead
from ledger.shown_checkpoint import shown_checkpoint
from ledger.signing import log_verifier_keys
from ledger.trust import log_policy


class Command(BaseCommand):
    help = "Write the log as plain files (C2SP tlog-tiles) that any web server or object store can serve."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, help="an earlier export in it is brought up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        head = LogHead.objects.get(pk=1)
        if not head.note:
            raise CommandError("Nothing was signed yet: start the sequencer first.")
        keys = log_verifier_keys()
        also = {"vkey": "".join(f"{key}\n" for key in keys), "policy": log_policy().text()}
        try:
            done = export_log(options["folder"], note=shown_checkpoint(head.note), keys=keys, also=also)
        except LedgerError as error:
            raise CommandError(f"{error} Nothing was signed or removed ({error.code}).") from error
        except OSError as error:
            raise CommandError(f"{options['folder']} cannot be written: {error.strerror}.") from error
        self.stdout.write(f"{options['folder']} holds {done.size:,} entries; {done.written:,} files are new.")
