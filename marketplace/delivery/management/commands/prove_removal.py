"""Write the proof that a delivered file was taken away, also when its listing's owner has been erased."""

import json
import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from ledger.receipt_building import receipt_for
from ledger.services import find_entry
from marketplace.delivery.tables.recording import removal_proof


class Command(BaseCommand):
    help = "Print, as JSON, how the log says that a file is in no later version of its table. docs/ledger.md checks it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("sha256", help="of the file, in hex, as its ETag and its proof named it")

    def handle(self, *args: Any, **options: Any) -> None:
        sha256 = options["sha256"].lower()
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise CommandError("A SHA-256 has 64 hexadecimal digits.")
        proof = removal_proof(bytes.fromhex(sha256))
        if proof is None:
            raise CommandError("No entry says that this file was removed: it never was, is there again, or waits.")
        entry = find_entry(proof.entry_id)
        if entry is None:
            raise CommandError("The entry is not in the log yet. Try again in a minute.")
        answer = {
            "sha256": sha256,
            **proof.named(),
            "entry_index": entry.pk,
            "entry": bytes(entry.body).decode(),
            "receipt": receipt_for(entry, at=timezone.now()),
        }
        self.stdout.write(json.dumps(answer, indent=2))
