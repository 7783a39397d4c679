"""What payment providers told us, and what followed from it."""

from __future__ import annotations

import uuid
from typing import Self

from django.db import models
from django.db.models import Q

from marketplace.wallet.gateway.events import EventKind


class ProviderEventQuerySet(models.QuerySet["ProviderEvent"]):
    def waiting(self) -> Self:
        """Those from which nothing followed yet, the first ones first."""
        return self.filter(outcome=None).order_by("pk")


class ProviderEvent(models.Model):
    """A message of a payment provider, as it was signed. Rows are only ever inserted; each message is kept once.

    Only what moves money is kept of it, and the hash of the rest: the message itself may name a person.
    """

    provider = models.CharField(max_length=16)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in EventKind])
    reference = models.UUIDField(null=True, db_index=True)
    object_id = models.CharField(max_length=255, blank=True)
    payment_id = models.CharField(max_length=255, blank=True, db_index=True)
    amount_micros = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    body_sha256 = models.BinaryField(max_length=32)
    happened_at = models.DateTimeField()
    received_at = models.DateTimeField()

    objects = ProviderEventQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "event_id"], name="provider_event_once")]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class EventOutcome(models.Model):
    """What followed from an event. An event without one waits for another that is still on its way."""

    class Result(models.TextChoices):
        BOOKED = "booked", "Booked"
        CLOSED = "closed", "Closed without money"
        NOTHING = "nothing", "Nothing to do"
        ALARM = "alarm", "Does not fit: somebody must look"

    event = models.OneToOneField(ProviderEvent, models.PROTECT, related_name="outcome")
    result = models.CharField(max_length=16, choices=Result)
    # Why, for an alarm: a word that never changes.
    code = models.CharField(max_length=40, blank=True)
    transfer = models.ForeignKey("wallet.Transfer", models.PROTECT, null=True, related_name="event_outcomes")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(result="alarm") & ~Q(code="") | ~Q(result="alarm"), name="alarm_has_a_code"
            ),
            models.CheckConstraint(
                condition=Q(result="booked", transfer__isnull=False) | ~Q(result="booked"), name="booked_has_a_transfer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.result} {self.code}"


class TestMessage(models.Model):
    """A webhook that the built-in provider has yet to send, or sent."""

    # Not a test.
    __test__ = False

    event_id = models.UUIDField(default=uuid.uuid4)
    body = models.TextField()
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["due_at", "id"], condition=Q(sent_at=None), name="test_message_due")]

    def __str__(self) -> str:
        return str(self.event_id)
