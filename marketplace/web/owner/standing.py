"""How things stand for one person: figures, and what needs them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from devices.models import Batch, Device
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.delivery.models import Read
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.wallet.services import earned_micros
from marketplace.web.buyer.orders import end_of_access
from marketplace.web.formats import cents_text, plural, relative_text
from marketplace.web.owner.device_facts import device_address, silent_devices
from marketplace.web.owner.sale_rows import latest_reads, latest_sales, sales_of
from marketplace.web.wording import first_fields_text

EXPIRES_SOON = timedelta(days=14)
SHOWN = 5


@dataclass(frozen=True)
class Need:
    """One thing that waits for the person, and the act that settles it."""

    icon: str
    title: str
    note: str
    action: str
    address: str


def month_start(at: datetime) -> datetime:
    """The start of the month where the person lives."""
    return timezone.localtime(at).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def day_start(at: datetime) -> datetime:
    return timezone.localtime(at).replace(hour=0, minute=0, second=0, microsecond=0)


def needs_of(user: User, at: datetime) -> list[Need]:
    return [*silence_needs(user, at), *waiting_needs(user), *expiry_needs(user, at), *draft_needs(user)]


def silence_needs(user: User, at: datetime) -> list[Need]:
    return [
        Need(
            "radio-tower",
            f"{device.name} is silent",
            f"Last heard of {relative_text(device.last_seen_at or device.created_at, at)}.",
            "Look at it",
            device_address(device),
        )
        for device in silent_devices(user, at)[:SHOWN]
    ]


def waiting_needs(user: User) -> list[Need]:
    waiting = Device.objects.owned_by(user).filter(enrolled_at=None).order_by("-created_at")[:SHOWN]
    note = "It has not sent its key yet."
    return [
        Need("key-round", f"{device.name} waits to be enrolled", note, "Enrol it", device_address(device))
        for device in waiting
    ]


def expiry_needs(user: User, at: datetime) -> list[Need]:
    soon = Consent.objects.filter(owner=user, valid_until__lte=at + EXPIRES_SOON).active_at(at).order_by("valid_until")
    return [
        Need(
            "clock",
            f"A consent ends {relative_text(consent.valid_until, at)}",
            f"{first_fields_text(consent.fields)}. Its listings end with it.",
            "Look at it",
            reverse("consent_page", args=[consent.public_id]),
        )
        for consent in soon[:SHOWN]
    ]


def draft_needs(user: User) -> list[Need]:
    drafts = Listing.objects.filter(seller=user, published_at=None).order_by("-created_at")[:SHOWN]
    return [
        Need(
            "scroll-text",
            f"“{draft.title}” is a draft",
            "Nobody sees it before you publish it.",
            "Finish it",
            reverse("own_listing", args=[draft.public_id]),
        )
        for draft in drafts
    ]


def latest_purchases(user: User, at: datetime) -> list[dict[str, Any]]:
    mine = Purchase.objects.for_buyer(user).begun().select_related("listing__consent", "listing__seller", "plan")
    return [{"purchase": purchase, "ended": end_of_access(purchase, at)} for purchase in mine[:SHOWN]]


def home_facts(user: User, at: datetime) -> dict[str, Any]:
    """Everything that the home page shows."""
    start = month_start(at)
    sold_count = sales_of(user).filter(purchased_at__gte=start).count()
    today = day_start(at)
    received = Batch.objects.filter(device__owner=user, received_at__gte=today).aggregate(sum=Sum("reading_count"))
    return {
        "earned_text": cents_text(earned_micros(user, since=start), settings.MARKET_CURRENCY),
        "sales_note": plural(sold_count, "sale"),
        "readings_today": received["sum"] or 0,
        "reads_today": Read.objects.filter(purchase__listing__seller=user, at__gte=today).count(),
        "devices_note": f"from {plural(Device.objects.owned_by(user).enrolled().count(), 'device')}",
        "needs": needs_of(user, at),
        "sales": latest_sales(sales_of(user))[:SHOWN],
        "reads": latest_reads(user, count=SHOWN),
        "purchases": latest_purchases(user, at),
        "has_devices": Device.objects.owned_by(user).exists(),
        "has_listings": Listing.objects.filter(seller=user).exists(),
        "has_consents": Consent.objects.filter(owner=user).exists(),
    }
