from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q

from marketplace.purchases.models import Purchase

# A replaced token lives on for a moment, so that clients that run in parallel can change over without a failure.
ROTATION_GRACE = timedelta(minutes=10)


class AccessToken(models.Model):
    """A bearer token of one purchase. Only its SHA-256 is kept."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="tokens")
    token_hash = models.BinaryField(max_length=32, unique=True)
    prefix = models.CharField(max_length=16, help_text="The first characters, by which its holder knows it again.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaced_by")
    replaced_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    entry_id = models.UUIDField(unique=True)
    revocation_entry_id = models.UUIDField(null=True, unique=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(revoked_at=None, revocation_entry_id=None)
                | Q(revoked_at__isnull=False, revocation_entry_id__isnull=False),
                name="token_revocation_is_recorded",
            )
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def ends_at(self) -> datetime:
        """When the token stops by itself: its term, or the end of the grace after its replacement."""
        if self.replaced_at is None:
            return self.expires_at
        return min(self.expires_at, self.replaced_at + ROTATION_GRACE)

    def is_usable(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.ends_at
