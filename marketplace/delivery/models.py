from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q

from marketplace.access.models import AccessToken
from marketplace.delivery.sharing.protocol import TABLE
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase


class DeliveryTableQuerySet(models.QuerySet["DeliveryTable"]):
    def readings_of(self, listing: Listing | int) -> Self:
        return self.filter(listing=listing, name=DeliveryTable.Name.READINGS)


class DeliveryTable(models.Model):
    """A table that a listing delivers. version grows by one with every change of its files.

    refreshed_at: everything that the devices had sent by then, and that was due by then, is in the table.
    source_stamp: names the reading files that the table was made of; terms_number: the consent's terms of then.
    next_due_at: when readings that are held back (a delay, an unfinished average) may be delivered, if there are any.
    oldest_version: versions before it cannot be read any more, for their files are gone.
    changes_from: what this version and each later one changed can be told.
    """

    class Name(models.TextChoices):
        """What buyers call the table in their queries."""

        READINGS = TABLE, "Readings"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    listing = models.ForeignKey(Listing, models.PROTECT, related_name="delivery_tables")
    name = models.CharField(max_length=40, choices=Name, default=Name.READINGS)
    version = models.BigIntegerField(default=0)
    oldest_version = models.BigIntegerField(default=0)
    changes_from = models.BigIntegerField(default=0)
    source_stamp = models.CharField(max_length=64, blank=True)
    terms_number = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    refreshed_at = models.DateTimeField(null=True)
    next_due_at = models.DateTimeField(null=True)

    objects = DeliveryTableQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["listing", "name"], name="delivery_table_once_per_listing"),
        ]

    def __str__(self) -> str:
        return f"Table {self.name} of {self.listing_id} at version {self.version}"


class SegmentQuerySet(models.QuerySet["Segment"]):
    def of_readings(self, listing: Listing) -> Self:
        """Those that may be shown: what was made under wider terms than the consent's of now is not."""
        return self.filter(
            table__listing=listing,
            table__name=DeliveryTable.Name.READINGS,
            terms_number=models.F("table__listing__consent__terms_number"),
        )

    def current(self) -> Self:
        return self.filter(removed_version=None)

    def at_version(self, version: int) -> Self:
        still_there = Q(removed_version=None) | Q(removed_version__gt=version)
        return self.filter(still_there, added_version__lte=version)

    def in_order(self) -> Self:
        """Of a day the one that begins first comes first; those of one day may tell of the same hours."""
        return self.order_by("day", "first_at", "pk")


class Segment(models.Model):
    """One immutable Parquet file: some days of a listing's projection, from day until before end_day, or a part of one.

    source_stamp names the reading files that it, with the older parts of the day, was made of; terms_number the
    consent's terms at that moment.
    batch, removal_batch: the entries that tell of its coming and of its going; None while they wait.
    change: set where the file tells what the version that added it changed. A file that tells nothing else, because it
    holds only part of what the version's files hold, was added and removed with that same version: no version has it.
    """

    class Change(models.TextChoices):
        """In the protocol's words."""

        INSERT = "add", "Rows that the version brought"
        DELETE = "remove", "Rows that the version took away"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    table = models.ForeignKey(DeliveryTable, models.PROTECT, related_name="segments")
    day = models.DateField()
    end_day = models.DateField()
    added_version = models.BigIntegerField()
    added_at = models.DateTimeField()
    removed_version = models.BigIntegerField(null=True)
    removed_at = models.DateTimeField(null=True)
    source_stamp = models.CharField(max_length=64)
    terms_number = models.PositiveIntegerField(default=1)
    change = models.CharField(max_length=6, choices=Change, blank=True)
    path = models.CharField(max_length=255, unique=True)
    row_count = models.BigIntegerField()
    reading_count = models.BigIntegerField(help_text="Readings that went into the rows.")
    signed_count = models.BigIntegerField(help_text="Those of them whose signed batch is kept.")
    size = models.BigIntegerField()
    sha256 = models.BinaryField(max_length=32)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    batch = models.ForeignKey("SegmentBatch", models.PROTECT, related_name="segments", null=True)
    removal_batch = models.ForeignKey("SegmentBatch", models.PROTECT, related_name="removed_segments", null=True)

    objects = SegmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["table", "day", "added_version"],
                condition=Q(removed_version=None),
                name="segment_one_current_per_day_and_version",
            )
        ]
        indexes = [
            # A busy table has hundreds of thousands of removed ones, kept for who follows its changes.
            models.Index(fields=["table", "removed_version"], name="segment_at_version"),
            models.Index(fields=["table", "added_version"], condition=~Q(change=""), name="segment_changes"),
            models.Index(
                fields=["table"],
                condition=Q(batch=None) | Q(removed_version__isnull=False, removal_batch=None),
                name="segment_unrecorded",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} v{self.added_version}"


class SegmentBatch(models.Model):
    """Files of a table that came or went, told in one entry. Outlives the files.

    version: the table's of then. added, removed: the files' SHA-256 one after the other, in the entry's order.
    """

    listing = models.ForeignKey(Listing, models.PROTECT, related_name="segment_batches")
    version = models.BigIntegerField()
    added = models.BinaryField()
    removed = models.BinaryField()
    recorded_at = models.DateTimeField(db_index=True)
    entry_id = models.UUIDField(unique=True)

    def __str__(self) -> str:
        return f"Files of listing {self.listing_id} up to version {self.version}"

    @property
    def hashes(self) -> list[bytes]:
        """Of the files that came."""
        return _hashes(self.added)

    @property
    def removed_hashes(self) -> list[bytes]:
        return _hashes(self.removed)


def _hashes(joined: bytes | memoryview) -> list[bytes]:
    whole = bytes(joined)
    return [whole[start : start + 32] for start in range(0, len(whole), 32)]


class SegmentCut(models.Model):
    """The part of a segment that a grant opens, as a file of its own.

    window_from, window_until: where the segment is cut, None where it is not. part_mark names them and the fields.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="cuts")
    window_from = models.DateTimeField(null=True)
    window_until = models.DateTimeField(null=True)
    part_mark = models.CharField(max_length=64)
    path = models.CharField(max_length=255, unique=True)
    row_count = models.BigIntegerField()
    size = models.BigIntegerField()
    sha256 = models.BinaryField(max_length=32)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["segment", "part_mark"], name="segment_part_cut_once"),
        ]

    def __str__(self) -> str:
        return f"Cut of {self.segment_id}"


class EvidenceFile(models.Model):
    """One Parquet file of a table's signed envelopes: those of one version that one grant opens.

    part_mark: names what the grant opens. shown_rows: rows of the table that the envelopes of all the grant's files
    show, on the first of them.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    table = models.ForeignKey(DeliveryTable, models.PROTECT, related_name="evidence_files")
    version = models.BigIntegerField()
    part_mark = models.CharField(max_length=80)
    number = models.PositiveIntegerField()
    made_at = models.DateTimeField(db_index=True)
    path = models.CharField(max_length=255, unique=True)
    row_count = models.BigIntegerField()
    shown_rows = models.BigIntegerField()
    size = models.BigIntegerField()
    sha256 = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["table", "version", "part_mark", "number"], name="evidence_file_once_per_grant"
            )
        ]

    def __str__(self) -> str:
        return f"Evidence {self.number} of table {self.table_id} at version {self.version}"


class Export(models.Model):
    """A file made of a table for download, in one form: the same for everybody whose grant and wishes are the same.

    mark: names all of that. data_until: everything that the devices had sent by then is in it. claimed_at: when
    whoever makes it last said so; it is made anew by another where that is long ago.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    table = models.ForeignKey(DeliveryTable, models.PROTECT, related_name="exports")
    mark = models.CharField(max_length=64, unique=True)
    form = models.CharField(max_length=8)
    version = models.BigIntegerField()
    terms_number = models.PositiveIntegerField()
    data_until = models.DateTimeField()
    expected_rows = models.BigIntegerField()
    row_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    asked_at = models.DateTimeField(db_index=True)
    claimed_at = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    path = models.CharField(max_length=255, blank=True)
    size = models.BigIntegerField(default=0)
    sha256 = models.BinaryField(max_length=32, null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(ready_at=None, path="", sha256=None)
                | (Q(ready_at__isnull=False, sha256__isnull=False) & ~Q(path="")),
                name="export_is_ready_with_its_file",
            )
        ]

    def __str__(self) -> str:
        return f"{self.form} of table {self.table_id} at version {self.version}"


class ReadSummary(models.Model):
    """The reads of one purchase that were not summed up before, when a day (UTC) was over; it has an entry in the log.

    root: of the Merkle tree over the reads' leaves, in the order of their times; see reads/leaves.py.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="read_summaries")
    day = models.DateField()
    read_count = models.BigIntegerField()
    row_count = models.BigIntegerField()
    byte_count = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    made_at = models.DateTimeField()
    entry_id = models.UUIDField(unique=True)

    class Meta:
        verbose_name_plural = "read summaries"
        ordering = ["-day", "-id"]
        constraints = [models.UniqueConstraint(fields=["purchase", "day"], name="read_summary_once_a_day")]

    def __str__(self) -> str:
        return f"{self.read_count} reads on {self.day}"


class Read(models.Model):
    """One read of a purchase's data, as the owner sees it under "who read me"."""

    class Door(models.TextChoices):
        DELTA_SHARING = "delta_sharing", "Delta Sharing"
        DOWNLOAD = "download", "Download"
        LIVE = "live", "Live stream"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="reads")
    token = models.ForeignKey(AccessToken, models.PROTECT, related_name="reads")
    door = models.CharField(max_length=16, choices=Door)
    at = models.DateTimeField(db_index=True)
    row_count = models.BigIntegerField()
    byte_count = models.BigIntegerField()
    summary = models.ForeignKey(ReadSummary, models.PROTECT, null=True, related_name="reads")

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["purchase", "-at", "-public_id"], name="read_of_purchase"),
            models.Index(fields=["purchase", "at"], condition=Q(summary=None), name="read_not_summed_up"),
        ]

    def __str__(self) -> str:
        return f"{self.row_count} rows at {self.at}"


class ExportRead(models.Model):
    """That a token's download of a file was counted: what goes on with it is the same read."""

    export = models.ForeignKey(Export, models.CASCADE, related_name="counted")
    token = models.ForeignKey(AccessToken, models.PROTECT, related_name="+")
    read = models.ForeignKey(Read, models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["export", "token"], name="export_counted_once_per_token")]

    def __str__(self) -> str:
        return f"Read {self.read_id} of export {self.export_id}"


class Derivation(models.Model):
    """What was said of a file of computed rows: the statement whose hash is in the log. Outlives the file.

    segment_id: the public id of the segment, which may be gone.
    """

    segment_id = models.UUIDField(unique=True)
    listing = models.ForeignKey(Listing, models.PROTECT, related_name="derivations")
    statement = models.TextField()
    made_at = models.DateTimeField()
    entry_id = models.UUIDField(db_index=True)

    def __str__(self) -> str:
        return f"Statement on segment {self.segment_id}"
