from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q

from devices.models import Device

OFFER_STANDS = timedelta(hours=72)


class HandoverOfferQuerySet(models.QuerySet["HandoverOffer"]):
    def standing_at(self, at: datetime) -> Self:
        return self.filter(accepted_at=None, withdrawn_at=None, expires_at__gt=at)


class HandoverOffer(models.Model):
    """An owner offers a device to somebody, who needs both the code and the account with that address to take it.

    The address is kept, in lower case, for as long as the offer stands.
    """

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    device = models.ForeignKey(Device, models.CASCADE, related_name="handover_offers")
    email = models.EmailField(blank=True)
    code_hash = models.BinaryField(max_length=32, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)

    objects = HandoverOfferQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["device"], condition=Q(accepted_at=None, withdrawn_at=None), name="handover_offered_once"
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(withdrawn_at=None), name="handover_offer_ends_one_way"
            ),
        ]

    def __str__(self) -> str:
        return f"Offer {self.public_id}"

    def is_standing(self, at: datetime) -> bool:
        return self.accepted_at is None and self.withdrawn_at is None and at < self.expires_at
