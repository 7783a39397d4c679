from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.models import Q

from marketplace.notices.kinds import LABELS, NoticeKind

if TYPE_CHECKING:
    from marketplace.accounts.models import User

KINDS = [(kind.value, LABELS[kind]) for kind in NoticeKind]


class NoticeQuerySet(models.QuerySet["Notice"]):
    def for_person(self, user: User) -> Self:
        return self.filter(user=user)

    def unread(self) -> Self:
        return self.filter(read_at=None)


class Notice(models.Model):
    """One thing that a person is told: kept as facts (see kinds.py), worded when it is shown or mailed.

    dispatched_at: when it was decided whether it is mailed, and which of the person's webhooks it goes to.
    """

    class Mail(models.TextChoices):
        NEW = "new", "Not decided yet"
        OFF = "off", "Not wanted"
        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=32, choices=KINDS)
    facts = models.JSONField()
    reference = models.UUIDField(null=True, help_text="Public id of what it is about.")
    # Given where the same must not be told twice, however often it is noticed.
    once = models.CharField(max_length=80, null=True)  # noqa: DJ001 - empty texts would collide, nulls do not.
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    dispatched_at = models.DateTimeField(null=True)
    mail_state = models.CharField(max_length=8, choices=Mail, default=Mail.NEW, db_default=Mail.NEW)
    mail_attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    mail_due_at = models.DateTimeField(null=True, help_text="When to try next, or until when somebody is trying.")
    mail_sent_at = models.DateTimeField(null=True)
    mail_error = models.CharField(max_length=200, blank=True, default="", db_default="")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["user", "-at", "-id"], name="notice_inbox"),
            models.Index(fields=["user"], condition=Q(read_at=None), name="notice_unread"),
            models.Index(fields=["id"], condition=Q(dispatched_at=None), name="notice_undispatched"),
            models.Index(fields=["mail_due_at"], condition=Q(mail_state="waiting"), name="notice_mail_due"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "once"], name="notice_told_once"),
            models.CheckConstraint(condition=Q(kind__in=list(NoticeKind)), name="notice_kind_is_known"),
            models.CheckConstraint(
                condition=Q(dispatched_at=None, mail_state="new")
                | (Q(dispatched_at__isnull=False) & ~Q(mail_state="new")),
                name="notice_is_dispatched_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"Notice {self.public_id}"


class MutedMail(models.Model):
    """A person wants no mail of this kind."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="muted_mail")
    kind = models.CharField(max_length=32, choices=KINDS)
    muted_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "muted mail"
        constraints = [models.UniqueConstraint(fields=["user", "kind"], name="muted_once_per_kind")]

    def __str__(self) -> str:
        return self.kind


class WebhookEndpoint(models.Model):
    """Where a person's program is told. The secrets are sealed, see sealing.py.

    previous_until: until when the secret before signs as well. busy_until: until when a worker has it to itself.
    failing_since: of the first failure after which nothing was taken any more.
    """

    class Off(models.TextChoices):
        GONE = "gone", "It answered that it is gone (410)"
        FAILING = "failing", "It failed for five days on end"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="webhook_endpoints")
    url = models.CharField(max_length=500)
    kinds = ArrayField(models.CharField(max_length=32))
    sealed_secret = models.BinaryField()
    previous_sealed_secret = models.BinaryField(null=True)
    previous_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    disabled_at = models.DateTimeField(null=True)
    disabled_reason = models.CharField(max_length=16, choices=Off, blank=True, default="")
    failing_since = models.DateTimeField(null=True)
    busy_until = models.DateTimeField(null=True)
    served_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(disabled_at=None, disabled_reason="")
                | (Q(disabled_at__isnull=False) & ~Q(disabled_reason="")),
                name="webhook_says_why_it_is_off",
            ),
        ]

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One notice on its way to one endpoint; without a notice, a test."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, db_default=RandomUUID())
    endpoint = models.ForeignKey(WebhookEndpoint, models.CASCADE, related_name="deliveries")
    notice = models.ForeignKey(Notice, models.CASCADE, null=True, related_name="deliveries")
    created_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING, db_default=State.WAITING)
    attempt_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["endpoint", "due_at"], condition=Q(state="waiting"), name="webhook_due"),
            models.Index(fields=["endpoint", "-created_at", "-id"], name="webhook_log"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "notice"], name="webhook_once_per_notice"),
            models.CheckConstraint(
                condition=Q(state="waiting", due_at__isnull=False) | (~Q(state="waiting") & Q(due_at=None)),
                name="webhook_waits_for_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"Webhook {self.public_id}"


class WebhookAttempt(models.Model):
    """One try. status_code: what the other side answered, if it did; reason: why not, in our words."""

    delivery = models.ForeignKey(WebhookDelivery, models.CASCADE, related_name="attempts")
    at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status_code = models.PositiveSmallIntegerField(null=True)
    reason = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.status_code or self.reason} at {self.at}"
