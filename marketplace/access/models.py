from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from devices.limits import LONGEST_MEASURE_NAME
from marketplace.purchases.models import Purchase

# A replaced token lives on for a moment, so that clients that run in parallel can change over without a failure.
ROTATION_GRACE = timedelta(minutes=10)
LONGEST_NAME = 60


class AccessToken(models.Model):
    """A bearer token of one purchase. Only its SHA-256 is kept.

    fields, window_from, window_until, own_expires_at, rate_per_minute, row_cap and networks narrow it, see
    access/narrowing.py; empty ones do not. The tokens of one chain of rotations are a family, named by the first of
    them (None in that one itself): its row_count is what all of them read, where they have a row_cap.
    """

    class Kind(models.TextChoices):
        """What its holder presents: the token's own text, or what the market gave him for a client's id and secret."""

        BEARER = "bearer", "Token"
        CLIENT = "client", "OAuth client"
        DELEGATED = "delegated", "Passed on"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=16, choices=Kind, default=Kind.BEARER)
    # Holds a client's id and the SHA-256 of its secret; the tokens that it was given are kept there as hashes too.
    application = models.OneToOneField("oauth2_provider.Application", models.PROTECT, null=True, related_name="token")
    # Of which token one that was passed on is a part: it opens no more than that, and no longer.
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="delegated")
    purchase = models.ForeignKey(Purchase, models.PROTECT, related_name="tokens")
    token_hash = models.BinaryField(max_length=32, unique=True)
    prefix = models.CharField(max_length=16, help_text="The first characters, by which its holder knows it again.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaced_by")
    replaced_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.GenericIPAddressField(null=True)
    name = models.CharField(max_length=LONGEST_NAME, blank=True)
    family = models.ForeignKey("self", models.PROTECT, null=True, related_name="successors")
    fields = ArrayField(models.CharField(max_length=LONGEST_MEASURE_NAME), null=True)
    window_from = models.DateTimeField(null=True)
    window_until = models.DateTimeField(null=True)
    own_expires_at = models.DateTimeField(null=True)
    rate_per_minute = models.PositiveIntegerField(null=True)
    row_cap = models.BigIntegerField(null=True)
    row_count = models.BigIntegerField(default=0)
    networks = ArrayField(models.CharField(max_length=43), default=list)
    entry_id = models.UUIDField(unique=True)
    revocation_entry_id = models.UUIDField(null=True, unique=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(revoked_at=None, revocation_entry_id=None)
                | Q(revoked_at__isnull=False, revocation_entry_id__isnull=False),
                name="token_revocation_is_recorded",
            ),
            models.UniqueConstraint(
                fields=["purchase"], condition=Q(kind="client", revoked_at=None), name="token_one_client_per_purchase"
            ),
            models.CheckConstraint(
                condition=Q(kind="client", application__isnull=False) | (~Q(kind="client") & Q(application=None)),
                name="token_client_has_application",
            ),
            models.CheckConstraint(
                condition=Q(kind="delegated", parent__isnull=False) | (~Q(kind="delegated") & Q(parent=None)),
                name="token_delegated_has_parent",
            ),
            models.CheckConstraint(
                condition=Q(row_cap=None) | Q(row_count__lte=F("row_cap")), name="token_rows_within_cap"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def ends_at(self) -> datetime:
        """When the token stops by itself: its term, or the end of the grace after its replacement."""
        if self.replaced_at is None:
            return self.expires_at
        return min(self.expires_at, self.replaced_at + ROTATION_GRACE)

    @property
    def is_saved(self) -> bool:
        return not self._state.adding

    def lineage(self) -> Iterator[AccessToken]:
        """The token itself and those that it was passed on from, nearest first."""
        token: AccessToken | None = self
        while token is not None:
            yield token
            token = token.parent

    @property
    def family_pk(self) -> int:
        return self.family_id or self.pk

    @property
    def is_narrowed(self) -> bool:
        own = (self.window_from, self.window_until, self.own_expires_at, self.rate_per_minute, self.row_cap)
        return self.fields is not None or bool(self.networks) or any(value is not None for value in own)

    def is_usable(self, at: datetime) -> bool:
        return self.revoked_at is None and at < self.ends_at
