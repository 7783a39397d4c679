from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Self

from django.conf import settings
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
