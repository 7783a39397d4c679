from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Exact, Range

from ledger.canonical import LARGEST_ENTRY
from ledger.tiles import FULL_WIDTH, HASH_SIZE

SMALLEST_ENTRY = len(b"{}")


class ByteLength(Func):
    function = "octet_length"
    output_field = models.IntegerField()


def _is_hash(column: str) -> Exact:
    return Exact(ByteLength(F(column)), Value(HASH_SIZE))


def _is_entry_size(column: str) -> Range:
    return Range(ByteLength(F(column)), (Value(SMALLEST_ENTRY), Value(LARGEST_ENTRY)))


class LogHead(models.Model):
    """The newest state of the log: one row, locked by whoever appends."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    size = models.BigIntegerField()
    root_hash = models.BinaryField()
    # Empty until the first checkpoint is signed; then the newest signed one.
    note = models.TextField(blank=True, default="")
    updated_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="log_head_is_one_row"),
            models.CheckConstraint(condition=Q(size__gte=0), name="log_head_size_not_negative"),
            models.CheckConstraint(condition=_is_hash("root_hash"), name="log_head_root_is_a_hash"),
        ]


class OutboxRow(models.Model):
    """A record that waits for the sequencer, written in the transaction of what it records."""

    kind = models.CharField(max_length=64)
    key = models.UUIDField()
    entry_id = models.UUIDField(unique=True)
    body = models.BinaryField()
    submitted_at = models.DateTimeField()

    class Meta:
        verbose_name = "waiting record"
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="outbox_row_once"),
            models.CheckConstraint(condition=_is_entry_size("body"), name="outbox_row_body_size"),
        ]

    def __str__(self) -> str:
        return f"waiting record {self.entry_id}"


class EntryQuerySet(models.QuerySet["Entry"]):
    def for_ids(self, ids: Iterable[UUID]) -> dict[UUID, int]:
        """Return the indices of those that are entries already."""
        return dict(self.filter(entry_id__in=list(ids)).values_list("entry_id", "index"))


class Entry(models.Model):
    """A row exists if and only if a signed checkpoint covers it. The columns beside body only repeat it."""

    index = models.BigIntegerField(primary_key=True)
    entry_id = models.UUIDField(unique=True)
    kind = models.CharField(max_length=64)
    key = models.UUIDField()
    at = models.DateTimeField(db_index=True)
    refs = ArrayField(models.TextField())
    body = models.BinaryField()
    leaf_hash = models.BinaryField()
    committed_at = models.DateTimeField()

    objects = EntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "entries"
        indexes = [
            GinIndex(fields=["refs"], name="entry_refs"),
            models.Index(fields=["kind", "index"], name="entry_kind_index"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["kind", "key"], name="entry_once"),
            models.CheckConstraint(condition=Q(index__gte=0), name="entry_index_not_negative"),
            models.CheckConstraint(condition=_is_entry_size("body"), name="entry_body_size"),
            models.CheckConstraint(condition=_is_hash("leaf_hash"), name="entry_leaf_is_a_hash"),
        ]

    def __str__(self) -> str:
        return f"entry {self.index}"


class Tile(models.Model):
    """Up to 256 neighbouring hashes of one level; a partial tile is kept for every size that was signed."""

    level = models.SmallIntegerField()
    number = models.BigIntegerField()
    width = models.SmallIntegerField()
    hashes = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["level", "number", "width"], name="tile_once"),
            models.CheckConstraint(condition=Q(level__range=(0, 7), number__gte=0), name="tile_place"),
            models.CheckConstraint(condition=Q(width__range=(1, FULL_WIDTH)), name="tile_width"),
            models.CheckConstraint(
                condition=Exact(ByteLength(F("hashes")), F("width") * Value(HASH_SIZE)), name="tile_holds_its_width"
            ),
        ]


class Checkpoint(models.Model):
    """A state of the log that was signed: size, root and the note that says so."""

    size = models.BigIntegerField(unique=True)
    root_hash = models.BinaryField()
    note = models.TextField()
    signed_at = models.DateTimeField()

    class Meta:
        permissions = [("verify_log", "Can verify the whole log")]
        constraints = [
            models.CheckConstraint(condition=Q(size__gte=0), name="checkpoint_size_not_negative"),
            models.CheckConstraint(condition=_is_hash("root_hash"), name="checkpoint_root_is_a_hash"),
        ]

    def __str__(self) -> str:
        return f"checkpoint of size {self.size}"


class CommitmentSecret(models.Model):
    """The random key behind one person's or device's handles. Deleting it is erasure; every proof still verifies."""

    subject_kind = models.CharField(max_length=32)
    subject_id = models.UUIDField()
    secret = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject_kind", "subject_id"], name="commitment_secret_once"),
            models.CheckConstraint(condition=_is_hash("secret"), name="commitment_secret_size"),
        ]
