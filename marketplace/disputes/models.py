from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from marketplace.purchases.models import Purchase, Refund

if TYPE_CHECKING:
    from marketplace.accounts.models import User

ANSWERED_WITHIN = timedelta(days=7)


class DisputeQuerySet(models.QuerySet["Dispute"]):
    def involving(self, user: User) -> Self:
        """Those that a person opened or that are about the person's data."""
        return self.filter(Q(purchase__buyer=user) | Q(purchase__listing__seller=user))

    def open(self) -> Self:
        return self.filter(decided_at=None, closed_at=None)


class Dispute(models.Model):
    """A buyer says that something is wrong with a purchase. While it is open the money on hold stays there.

    It is opened by the buyer, answered by the owner, and decided by an operator; or the buyer closes it. Texts are kept
    here alone: the log tells each step without them.
    """

    class Reason(models.TextChoices):
        NOT_AS_DESCRIBED = "not_as_described", "The data is not what the listing says"
        INCOMPLETE = "incomplete", "Much of the data is missing"
        WRONG = "wrong", "The readings are wrong"
        UNREACHABLE = "unreachable", "I cannot load the data"
        OTHER = "other", "Something else"

    class Ruling(models.TextChoices):
        REFUND = "refund", "Refund"
        REJECT = "reject", "No refund"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="disputes")
    reason = models.CharField(max_length=24, choices=Reason)
    text = models.TextField()
    opened_at = models.DateTimeField()
    entry_id = models.UUIDField(unique=True)
    answer = models.TextField(blank=True)
    answered_at = models.DateTimeField(null=True)
    answer_entry_id = models.UUIDField(null=True, unique=True)
    closed_at = models.DateTimeField(null=True)
    closing_entry_id = models.UUIDField(null=True, unique=True)
    ruling = models.CharField(max_length=8, choices=Ruling, blank=True)
    ruling_text = models.TextField(blank=True)
    refund = models.OneToOneField(Refund, models.PROTECT, null=True)
    ends_access = models.BooleanField(default=False)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    decision_entry_id = models.UUIDField(null=True, unique=True)

    objects = DisputeQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        permissions = [("decide_dispute", "Can decide disputes")]
        constraints = [
            models.UniqueConstraint(
                fields=["purchase"], condition=Q(decided_at=None, closed_at=None), name="dispute_one_open"
            ),
            models.CheckConstraint(
                condition=Q(answered_at=None, answer_entry_id=None)
                | Q(answered_at__isnull=False, answer_entry_id__isnull=False),
                name="dispute_answer_is_recorded",
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, closing_entry_id=None)
                | Q(closed_at__isnull=False, closing_entry_id__isnull=False, decided_at=None),
                name="dispute_closing_is_recorded",
            ),
            models.CheckConstraint(
                condition=Q(decided_at=None, decision_entry_id=None, ruling="", refund=None)
                | Q(decided_at__isnull=False, decision_entry_id__isnull=False, ruling="refund", refund__isnull=False)
                | Q(decided_at__isnull=False, decision_entry_id__isnull=False, ruling="reject", refund=None),
                name="dispute_decision_is_recorded",
            ),
            models.CheckConstraint(
                condition=Q(answered_at=None) | Q(answered_at__gte=F("opened_at")), name="dispute_answer_follows"
            ),
        ]

    def __str__(self) -> str:
        return f"Dispute {self.public_id}"

    @property
    def is_open(self) -> bool:
        return self.decided_at is None and self.closed_at is None

    @property
    def answer_due_at(self) -> datetime:
        return self.opened_at + ANSWERED_WITHIN

    def may_be_decided(self, at: datetime) -> bool:
        """Once the owner answered, or had the time to."""
        return self.is_open and (self.answered_at is not None or at >= self.answer_due_at)
