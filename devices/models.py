from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Self

import zstandard
from django.conf import settings
from django.db import models
from django.db.models import Q

from devices.limits import LONGEST_MEASURE_NAME


class DeviceQuerySet(models.QuerySet["Device"]):
    def owned_by(self, user: Any) -> Self:
        return self.filter(owner=user)

    def enrolled(self) -> Self:
        return self.filter(enrolled_at__isnull=False, retired_at=None, handed_over_at=None)

    def ever_enrolled(self) -> Self:
        """With those that send nothing more: what they sent is still there."""
        return self.filter(enrolled_at__isnull=False)

    def with_waiting_batches(self) -> Self:
        waiting = Batch.objects.filter(device=models.OuterRef("pk"), resolved_at=None)
        return self.filter(models.Exists(waiting))


class Device(models.Model):
    """A device in one person's hands.

    Who takes a device over gets a row of his own, which follows on this one under the same key. So readings never
    change hands: those measured before taken_over_at, or from handed_over_at on, are on the neighbouring row.
    """

    class Kind(models.TextChoices):
        WEATHER_STATION = "weather_station", "Weather station"
        SMART_METER = "smart_meter", "Smart meter"
        AIR_QUALITY = "air_quality", "Air quality sensor"
        CHARGING_POINT = "charging_point", "Charging point"
        OTHER = "other", "Something else"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for the device"
        ENROLLED = "enrolled", "Enrolled"
        RETIRED = "retired", "Retired"
        HANDED_OVER = "handed_over", "Handed over"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="devices")
    name = models.CharField(max_length=60)
    kind = models.CharField(max_length=20, choices=Kind.choices)
    country = models.CharField(max_length=2, blank=True)
    region = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField()
    enrolled_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    taken_over_at = models.DateTimeField(null=True)
    handed_over_at = models.DateTimeField(null=True)
    # Until when, by arrival, its owner has deleted what it sent.
    readings_deleted_at = models.DateTimeField(null=True)
    # The row of whoever had the device before; gone when that person's account was erased.
    predecessor = models.OneToOneField("self", models.SET_NULL, null=True, related_name="successor")
    # Brought up to date at most once a second by uploads, and exactly by the resolver.
    last_seen_at = models.DateTimeField(null=True)
    last_sequence = models.BigIntegerField(default=0)
    # Of resolved batches; written by the resolver alone.
    reading_count = models.BigIntegerField(default=0)
    first_reading_at = models.DateTimeField(null=True)
    last_reading_at = models.DateTimeField(null=True)

    objects = DeviceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(retired_at=None) | Q(enrolled_at__isnull=False), name="device_enrolled_before_retired"
            ),
            models.CheckConstraint(
                condition=Q(handed_over_at=None) | Q(enrolled_at__isnull=False, retired_at=None),
                name="device_handed_over_in_use",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> State:
        if self.retired_at:
            return self.State.RETIRED
        if self.handed_over_at:
            return self.State.HANDED_OVER
        return self.State.ENROLLED if self.enrolled_at else self.State.WAITING


class DeviceKey(models.Model):
    """A key of a device. It goes with the device to its next owner, and the former one keeps a copy to check with."""

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="keys")
    public_key = models.BinaryField(max_length=32)
    # What an envelope's kid names: the first 16 bytes of the public key's SHA-256.
    key_id = models.BinaryField(max_length=16)
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)
    handed_over_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["device"], condition=Q(retired_at=None), name="device_has_one_live_key"),
            models.UniqueConstraint(
                fields=["public_key"], condition=Q(handed_over_at=None), name="device_key_is_in_one_place"
            ),
            models.UniqueConstraint(
                fields=["key_id"], condition=Q(handed_over_at=None), name="device_key_id_is_in_one_place"
            ),
            models.CheckConstraint(
                condition=Q(handed_over_at=None) | Q(retired_at__isnull=False), name="device_key_copy_is_retired"
            ),
        ]


class ClaimCodeQuerySet(models.QuerySet["ClaimCode"]):
    def usable_at(self, at: datetime) -> Self:
        return self.filter(used_at=None, expires_at__gt=at)


class ClaimCode(models.Model):
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="claim_codes")
    code_hash = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)

    objects = ClaimCodeQuerySet.as_manager()


class BatchQuerySet(models.QuerySet["Batch"]):
    def waiting(self) -> Self:
        return self.filter(resolved_at=None)

    def without_envelope(self) -> Self:
        return self.defer("envelope")


class Batch(models.Model):
    """A signed batch as it came in: one row, whatever the number of its readings."""

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="batches")
    sequence = models.BigIntegerField()
    content_hash = models.BinaryField(max_length=32)
    content_type = models.CharField(max_length=40)
    # The device's own bytes, zstd; original_envelope gives them back unchanged. Empty once the readings in it are those
    # of two owners: each keeps his readings, and nobody an envelope that shows the other's. Empty, too, once its owner
    # deleted them.
    envelope = models.BinaryField()
    envelope_size = models.IntegerField()
    reading_count = models.IntegerField()
    issued_at = models.DateTimeField()
    received_at = models.DateTimeField()
    first_reading_at = models.DateTimeField()
    last_reading_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    # Grows with the transactions that brought batches; see devices/arrivals.py. Zero for those of before it was kept.
    arrival = models.BigIntegerField(
        db_default=models.Func(models.Func(function="pg_current_xact_id"), function="devices_arrival"), editable=False
    )

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "batches"
        constraints = [
            models.UniqueConstraint(fields=["device", "sequence"], name="batch_sequence_is_unique"),
            models.CheckConstraint(condition=Q(sequence__gte=1), name="batch_sequence_starts_at_one"),
        ]
        indexes = [
            models.Index(fields=["device"], condition=Q(resolved_at=None), name="batch_waiting"),
            models.Index(fields=["device", "arrival"], name="batch_arrival"),
        ]

    def is_shared(self, device: Device) -> bool:
        """Whether readings in it are those of another owner of the device, so that nobody is shown the envelope."""
        is_early = device.taken_over_at is not None and self.first_reading_at < device.taken_over_at
        return is_early or (device.handed_over_at is not None and self.last_reading_at >= device.handed_over_at)

    def is_deleted(self, device: Device) -> bool:
        """Whether its owner deleted what was in it."""
        deleted_at = device.readings_deleted_at
        is_before = deleted_at is not None and self.received_at <= deleted_at
        return is_before and not self.envelope_size and not self.is_shared(device)

    @property
    def original_envelope(self) -> bytes:
        """The signed bytes exactly as the device sent them: the proof of origin."""
        return zstandard.ZstdDecompressor().decompress(bytes(self.envelope), max_output_size=self.envelope_size)


class Measure(models.Model):
    """One thing that a device measures. Its unit never changes."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="measures")
    name = models.CharField(max_length=LONGEST_MEASURE_NAME)
    unit = models.CharField("UCUM unit", max_length=40)
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    reading_count = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["device", "name"], name="measure_name_is_unique")]

    def __str__(self) -> str:
        return self.name


class ReadingFile(models.Model):
    """The readings of one device on one UTC day: an immutable Parquet file, replaced by a new one on change."""

    device = models.ForeignKey(Device, on_delete=models.PROTECT, related_name="reading_files")
    day = models.DateField()
    path = models.CharField(max_length=200)
    row_count = models.IntegerField()
    sha256 = models.BinaryField(max_length=32)
    version = models.IntegerField(default=1)
    updated_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["day"]
        constraints = [models.UniqueConstraint(fields=["device", "day"], name="reading_file_day_is_unique")]
