"""What ends with a device that leaves its owner's hands: consents, and what stands on them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings

from devices.models import Device
from marketplace.consents.models import Consent
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import money_outlook
from marketplace.web.wording import audience_text, first_fields_text, join_words


def endings(consents: Sequence[Consent], *, device: Device, at: datetime) -> dict[str, Any]:
    """money: what would go back to buyers and out to the seller at this moment."""
    listings = Listing.objects.filter(consent__in=consents, published_at__isnull=False, withdrawn_at=None)
    purchases = Purchase.objects.filter(listing__consent__in=consents)
    return {
        "ending_consents": [_consent_row(consent, device) for consent in consents],
        "ending_titles": list(listings.order_by("title").values_list("title", flat=True)),
        "buyer_count": purchases.active_at(at).values("buyer").distinct().count(),
        "money": money_outlook(purchases, at),
        "currency": settings.MARKET_CURRENCY,
    }


def _consent_row(consent: Consent, device: Device) -> dict[str, Any]:
    others = [other.name for other in consent.devices.all() if other.pk != device.pk]
    return {
        "public_id": consent.public_id,
        "fields_text": first_fields_text(consent.fields),
        "who": audience_text(consent),
        "others_text": join_words(others),
    }
