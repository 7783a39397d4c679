from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from devices.limits import LONGEST_MEASURE_NAME
from ledger.models import Entry


class Resolution(models.TextChoices):
    RAW = "raw", "Every reading as it was sent"
    MINUTE = "1min", "1 minute averages"
    QUARTER = "15min", "15 minute averages"
    HOUR = "1h", "Hourly averages"
    DAY = "1d", "Daily averages"


class Audience(models.TextChoices):
    ANYONE = "anyone", "Anyone with an account"
    NAMED = "named", "Only the people I name"


def consent_is_active(at: datetime, prefix: str = "") -> Q:
    """The one rule of when a consent holds, for queries; Consent.is_active is the same for a row.

    prefix: the way from the queried rows to their consent, such as "consent__".
    """
    is_not_withdrawn = Q(**{f"{prefix}withdrawn_at": None}) | Q(**{f"{prefix}withdrawn_at__gt": at})
    return is_not_withdrawn & Q(**{f"{prefix}valid_from__lte": at, f"{prefix}valid_until__gt": at})


class ConsentQuerySet(models.QuerySet["Consent"]):
    def active_at(self, at: datetime) -> Self:
        return self.filter(consent_is_active(at))

    def recorded(self) -> Self:
        """Those whose grant is in a signed checkpoint of the log."""
        return self.filter(models.Exists(Entry.objects.filter(entry_id=models.OuterRef("entry_id"))))


class NoticeText(models.Model):
    """A text that owners read before they granted. Never changed: consents refer to it by its hash."""

    sha256 = models.CharField(max_length=64, unique=True)
    version = models.PositiveSmallIntegerField()
    language = models.CharField(max_length=2)
    text = models.TextField()
    first_shown_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Notice {self.version} ({self.language})"


class Consent(models.Model):
    """What an owner allows: which fields of which devices, how fine, how late, for what, to whom, until when.

    refused_purposes were offered beside those that are allowed, and were not. records_others: other people than the
    owner may be recorded. renews: the consent that this one follows on.
    The terms are those of now; ConsentChange keeps those before each narrowing. terms_number grows with each narrowing
    of what buyers get: nothing that was made under a lower number is delivered.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="consents")
    devices = models.ManyToManyField("devices.Device", through="ConsentDevice", related_name="consents")
    fields = ArrayField(models.CharField(max_length=LONGEST_MEASURE_NAME))
    resolution = models.CharField(max_length=8, choices=Resolution)
    delay_seconds = models.PositiveIntegerField(default=0)
    purposes = ArrayField(models.CharField(max_length=64))
    audience = models.CharField(max_length=8, choices=Audience)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField()
    granted_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    entry_id = models.UUIDField(unique=True)
    withdrawal_entry_id = models.UUIDField(null=True, unique=True)
    refused_purposes = ArrayField(models.CharField(max_length=64), default=list)
    records_others = models.BooleanField(default=False)
    notice = models.ForeignKey(NoticeText, models.PROTECT, null=True, related_name="consents")
    renews = models.ForeignKey("self", models.PROTECT, null=True, related_name="renewals")
    terms_number = models.PositiveIntegerField(default=1)
    narrowed_at = models.DateTimeField(null=True)

    objects = ConsentQuerySet.as_manager()

    class Meta:
        ordering = ["-granted_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(valid_until__gt=models.F("valid_from")), name="consent_has_a_term"),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None, withdrawal_entry_id=None)
                | Q(withdrawn_at__isnull=False, withdrawal_entry_id__isnull=False),
                name="consent_withdrawal_is_recorded",
            ),
            models.CheckConstraint(
                condition=Q(records_others=False) | ~Q(resolution=Resolution.RAW), name="consent_spares_others"
            ),
        ]

    def __str__(self) -> str:
        return f"Consent {self.public_id}"

    def is_active(self, at: datetime) -> bool:
        is_withdrawn = self.withdrawn_at is not None and self.withdrawn_at <= at
        return not is_withdrawn and self.valid_from <= at < self.valid_until


class ConsentChange(models.Model):
    """One narrowing of a consent, with the terms as they were before it. Never changed."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    consent = models.ForeignKey(Consent, models.PROTECT, related_name="changes")
    at = models.DateTimeField()
    entry_id = models.UUIDField(unique=True)
    fields = ArrayField(models.CharField(max_length=LONGEST_MEASURE_NAME))
    purposes = ArrayField(models.CharField(max_length=64))
    resolution = models.CharField(max_length=8, choices=Resolution)
    delay_seconds = models.PositiveIntegerField()
    valid_until = models.DateTimeField()

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"Narrowing at {self.at}"


class ConsentDevice(models.Model):
    """One device under a consent; position gives the pseudonym that buyers see (device-1, device-2, ...)."""

    consent = models.ForeignKey(Consent, models.PROTECT, related_name="consent_devices")
    device = models.ForeignKey("devices.Device", models.PROTECT)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["consent", "device"], name="consent_device_once"),
            models.UniqueConstraint(fields=["consent", "position"], name="consent_position_once"),
        ]

    def __str__(self) -> str:
        return self.pseudonym

    @property
    def pseudonym(self) -> str:
        return f"device-{self.position}"


class ConsentBuyer(models.Model):
    """A person who may buy under a consent with a named audience, by e-mail address in lower case."""

    consent = models.ForeignKey(Consent, models.CASCADE, related_name="named_buyers")
    email = models.EmailField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["consent", "email"], name="consent_buyer_once")]

    def __str__(self) -> str:
        return self.email
