"""The table of a raw listing's signed envelopes, as immutable Parquet files: made once for a version and a grant."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from uuid import UUID

import polars
from django.db import models, transaction

from marketplace.access.services import Grant
from marketplace.delivery.evidence.finding import EvidenceEnvelope, find_evidence, read_evidence
from marketplace.delivery.models import DeliveryTable, EvidenceFile
from marketplace.delivery.tables.files import WrittenFile, delete_file, write_rows
from marketplace.delivery.tables.projection import Column
from marketplace.delivery.windows import Part, TableFile, check_is_rebuilt

COLUMNS = [
    Column("device", "", "", "string"),
    Column("sequence", "", "", "long"),
    Column("key_id", "", "", "string"),
    Column("received_at", "", "", "timestamp"),
    Column("envelope", "", "", "binary"),
]
_SCHEMA: dict[str, polars.DataType] = {
    "device": polars.String(),
    "sequence": polars.Int64(),
    "key_id": polars.String(),
    "received_at": polars.Datetime("us", "UTC"),
    "envelope": polars.Binary(),
}
# As much as is held in memory at a time.
_FILE_BYTES = 16 * 1024 * 1024
# They are swept an hour later, when every link to them has ended.
_ASKED_FOR = timedelta(hours=5)


def evidence_files(grant: Grant, *, at: datetime) -> tuple[list[TableFile], int]:
    """Return the files of the newest version, and how many rows of the readings their envelopes show.

    Raises: NoEvidence, TableRebuilding.
    """
    check_is_rebuilt(grant)
    table = DeliveryTable.objects.readings_of(grant.listing).first()
    if table is None or table.refreshed_at is None:
        find_evidence(grant, at)
        return [], 0
    found = _known(grant, table).filter(made_at__gt=at - _ASKED_FOR)
    files = list(found) or _make(grant, table, at)
    return [_table_file(file) for file in files], sum(file.shown_rows for file in files)


def find_evidence_file(grant: Grant, public_id: UUID) -> TableFile | None:
    """Return a file that was made for what the grant opens."""
    same = EvidenceFile.objects.filter(table__listing=grant.listing, part_mark=_mark(grant))
    file = same.filter(public_id=public_id).first()
    return _table_file(file) if file else None


def _known(grant: Grant, table: DeliveryTable) -> models.QuerySet[EvidenceFile]:
    return EvidenceFile.objects.filter(table=table, version=table.version, part_mark=_mark(grant)).order_by("number")


def _mark(grant: Grant) -> str:
    """Under narrower terms nothing of before fits."""
    part = Part(grant.window_from, grant.window_until, grant.fields)
    return f"{grant.consent.terms_number} {part.mark}"


def _make(grant: Grant, table: DeliveryTable, at: datetime) -> list[EvidenceFile]:
    evidence = find_evidence(grant, at, received_until=table.refreshed_at)
    made = [
        EvidenceFile(
            table=table,
            version=table.version,
            part_mark=_mark(grant),
            number=number,
            made_at=at,
            path=written.path,
            row_count=written.row_count,
            shown_rows=0 if number else evidence.row_count,
            size=written.size,
            sha256=written.sha256,
        )
        for number, written in enumerate(_write(read_evidence(evidence)))
    ]
    with transaction.atomic():
        DeliveryTable.objects.select_for_update().get(pk=table.pk)
        old = _known(grant, table)
        others = list(old.filter(made_at__gt=at - _ASKED_FOR))
        dropped = [file.path for file in (made if others else old)]
        if not others:
            old.delete()
            EvidenceFile.objects.bulk_create(made)
    for path in dropped:
        delete_file(path)
    return others or made


def _write(envelopes: Iterator[EvidenceEnvelope]) -> Iterator[WrittenFile]:
    rows: list[tuple[str, int, str, datetime, bytes]] = []
    size = 0
    for one in envelopes:
        rows.append((one.device, one.sequence, one.key_id, one.received_at, one.envelope))
        size += len(one.envelope)
        if size >= _FILE_BYTES:
            yield write_rows(polars.DataFrame(rows, _SCHEMA, orient="row"))
            rows, size = [], 0
    if rows:
        yield write_rows(polars.DataFrame(rows, _SCHEMA, orient="row"))


def _table_file(file: EvidenceFile) -> TableFile:
    return TableFile(
        public_id=file.public_id,
        path=file.path,
        row_count=file.row_count,
        size=file.size,
        sha256=bytes(file.sha256),
        first_at=None,
        last_at=None,
        version=file.version,
        added_at=file.made_at,
    )
