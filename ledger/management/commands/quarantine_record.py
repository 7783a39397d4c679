import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from ledger.blocking import refusal_of
from ledger.freezing import wait_for_batch
from ledger.models import Entry, OutboxRow
from ledger.seeds import write_once


class Command(BaseCommand):
    help = (
        "Take a waiting record that holds up the log out of its way, into a file, and say which rows name it. What it"
        " recorded is not in the log. Refused for a record that the sequencer takes."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("row", type=int, help="its number, as /health and the alarm say it")
        parser.add_argument("--to", type=Path, required=True, help="the file to keep it in; it must not exist")

    def handle(self, *args: Any, row: int, to: Path, **options: Any) -> None:
        with transaction.atomic():
            wait_for_batch()
            record = OutboxRow.objects.filter(pk=row).first()
            if record is None:
                raise CommandError(f"No record {row} waits.")
            refusal = refusal_of(record)
            if not refusal:
                raise CommandError(f"The sequencer takes the record {row}: it stays.")
            named_by = _rows_that_name(record.entry_id)
            kept = {
                "row_id": row,
                "kind": record.kind,
                "key": str(record.key),
                "entry_id": str(record.entry_id),
                "body": bytes(record.body).hex(),
                "submitted_at": record.submitted_at.isoformat(),
                "refusal": refusal,
                "named_by": named_by,
            }
            if not write_once(to, json.dumps(kept, indent=2).encode() + b"\n"):
                raise CommandError(f"{to} is there already.")
            record.delete()
        self.stdout.write(f"The record {row} is in {to}. {refusal}")
        for name in named_by or ["Nothing in the market names it."]:
            self.stdout.write(name)


def _rows_that_name(entry_id: UUID) -> list[str]:
    """Every table of the market that has a record in the log names it in a column of this name."""
    found = []
    for model in apps.get_models():
        columns = [field.name for field in model._meta.fields if field.name.endswith("entry_id")]
        if model in {OutboxRow, Entry}:
            continue
        for column in columns:
            rows = model._default_manager.filter(**{column: entry_id}).values_list("pk", flat=True)
            found += [f"{model._meta.db_table}.{column} of row {pk} names it." for pk in rows]
    return found
