from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID, uuid4

from django.conf import settings
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
        indexes = [models.Index(fields=["signed_at", "size"], name="checkpoint_by_time")]
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


class Cosignature(models.Model):
    """A witness's word that it saw one checkpoint, kept as it arrived; of one size newer ones come when idle."""

    size = models.BigIntegerField()
    witness_name = models.TextField()
    key_id = models.BinaryField()
    line = models.TextField()
    cosigned_at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["size", "witness_name", "key_id", "cosigned_at"], name="cosignature_once"),
            models.CheckConstraint(condition=Exact(ByteLength(F("key_id")), Value(4)), name="cosignature_key_id_size"),
        ]

    def __str__(self) -> str:
        return f"cosignature of {self.witness_name} for size {self.size}"


class FinalCheckpoint(models.Model):
    """A checkpoint that reached the quorum, with the lines that made it: what receipts are built on."""

    size = models.BigIntegerField(unique=True)
    note = models.TextField()
    final_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(size__gte=0), name="final_checkpoint_size_not_negative")]

    def __str__(self) -> str:
        return f"final checkpoint of size {self.size}"


class WitnessMemory(models.Model):
    """What the log knows of one witness: the size that it last cosigned, and how it last answered."""

    class State(models.TextChoices):
        NEW = "new", "not asked yet"
        GOOD = "good", "cosigns"
        SILENT = "silent", "does not answer"
        REFUSING = "refusing", "refuses"
        ALARM = "alarm", "contradicts this log"

    name = models.TextField(unique=True)
    key = models.TextField()
    url = models.TextField()
    size = models.BigIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State.choices, default=State.NEW)
    sentence = models.TextField(blank=True, default="")
    asked_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "witness"
        verbose_name_plural = "witnesses"
        constraints = [models.CheckConstraint(condition=Q(size__gte=0), name="witness_memory_size_not_negative")]

    def __str__(self) -> str:
        return self.name


class WitnessKey(models.Model):
    """Every key that a policy of this log ever named as a witness's: what it cosigned is still checked by it."""

    key = models.TextField(unique=True)
    named_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.key


class Alarm(models.Model):
    """Something that must not happen to a log, with the bytes that show it."""

    code = models.CharField(max_length=64)
    witness_name = models.TextField(blank=True, default="")
    sentence = models.TextField()
    evidence = models.JSONField(default=dict)
    raised_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.sentence


class LogFreeze(models.Model):
    """While one is not lifted nothing is signed. It is never deleted."""

    code = models.CharField(max_length=64)
    sentence = models.TextField()
    evidence = models.JSONField(default=dict)
    frozen_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True, blank=True)
    lifted_by = models.TextField(blank=True, default="")
    lifted_reason = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = "freeze"
        constraints = [
            models.UniqueConstraint(Value(1), condition=Q(lifted_at=None), name="log_freeze_one_at_a_time"),
            models.CheckConstraint(
                condition=Q(lifted_at=None) | ~(Q(lifted_by="") | Q(lifted_reason="")),
                name="log_freeze_lifted_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.sentence


class StoredReceipt(models.Model):
    """The receipt of one entry, as it was when it became final: from then on it never changes."""

    index = models.BigIntegerField(primary_key=True)
    text = models.TextField()
    frozen_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"receipt of entry {self.index}"


class AuditRun(models.Model):
    """One walk over the log by a worker: how far it came, what it found, and where to go on."""

    class Scope(models.TextChoices):
        FULL = "full", "everything"
        INCREMENTAL = "incremental", "what is new since the last good one"

    class State(models.TextChoices):
        WAITING = "waiting", "waits for a worker"
        RUNNING = "running", "at work"
        GOOD = "good", "good"
        BAD = "bad", "damaged"
        FAILED = "failed", "broke off"

    public_id = models.UUIDField(unique=True, default=uuid4, editable=False)
    scope = models.CharField(max_length=16, choices=Scope.choices)
    state = models.CharField(max_length=16, choices=State.choices, default=State.WAITING)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    # The head that is audited; entries that come meanwhile are the next run's.
    size = models.BigIntegerField(default=0)
    root_hash = models.BinaryField(default=bytes)
    position = models.BigIntegerField(default=0)
    resume = models.JSONField(default=dict)
    entry_count = models.BigIntegerField(default=0)
    tile_count = models.BigIntegerField(default=0)
    checkpoint_count = models.BigIntegerField(default=0)
    cosignature_count = models.BigIntegerField(default=0)
    receipt_count = models.BigIntegerField(default=0)
    finding_count = models.BigIntegerField(default=0)
    findings = models.JSONField(default=list)
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "audit"
        constraints = [
            models.UniqueConstraint(
                Value(1), condition=Q(state__in=["waiting", "running"]), name="audit_run_one_at_a_time"
            ),
        ]

    def __str__(self) -> str:
        return f"audit of {self.get_scope_display()}"

    @property
    def is_at_work(self) -> bool:
        return self.state in {self.State.WAITING, self.State.RUNNING}

    @property
    def percent(self) -> int:
        return 100 * self.position // self.size if self.size else 0


class AuditVisit(models.Model):
    """What a member of staff opened in the ledger's admin, and when."""

    # The public id of an account, not a reference: this table only grows, whoever leaves.
    visitor = models.UUIDField()
    at = models.DateTimeField(db_index=True)
    subject = models.TextField()
    address = models.TextField()

    class Meta:
        verbose_name = "visit"

    def __str__(self) -> str:
        return self.subject
