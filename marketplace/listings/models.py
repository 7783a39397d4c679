from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q

from devices.limits import LONGEST_MEASURE_NAME
from ledger.models import Entry
from marketplace.consents.models import Audience, Consent, ConsentBuyer, consent_is_active

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from marketplace.accounts.models import User

LONG_AGO = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


class Category(models.TextChoices):
    WEATHER = "weather", "Weather"
    ENERGY = "energy", "Energy"
    AIR = "air", "Air quality"
    MOBILITY = "mobility", "Mobility and charging"
    OTHER = "other", "Other"


class ListingState(models.TextChoices):
    """Derived, never stored: see ListingQuerySet.live_at and Listing.state_at."""

    DRAFT = "draft", "Draft"
    WAITING = "waiting", "Waiting for the log"
    LIVE = "live", "Live"
    WITHDRAWN = "withdrawn", "Withdrawn"
    ENDED = "ended", "Ended with its consent"


def _in_log(column: str) -> Exists:
    return Exists(Entry.objects.filter(entry_id=OuterRef(column)))


class ListingQuerySet(models.QuerySet["Listing"]):
    def held_at(self, at: datetime) -> Self:
        """Published and not withdrawn, under an active consent, whether or not the log has it yet."""
        return self.filter(consent_is_active(at, "consent__"), published_at__lte=at, withdrawn_at=None)

    def live_at(self, at: datetime) -> Self:
        """Those held whose consent and first publication are recorded in a signed checkpoint."""
        return self.held_at(at).filter(_in_log("entry_id"), _in_log("consent__entry_id"))

    def open_to(self, user: User | AnonymousUser) -> Self:
        """Leave out what only other people may buy: a stranger does not even learn that it exists."""
        is_open = Q(consent__audience=Audience.ANYONE)
        if user.is_authenticated:
            named = ConsentBuyer.objects.filter(consent=OuterRef("consent"), email__in=user.verified_addresses())
            is_open = is_open | Q(seller=user) | Q(Exists(named))
        return self.filter(is_open)

    def for_sale_to(self, user: User | AnonymousUser, at: datetime) -> Self:
        return self.live_at(at).open_to(user)


class Listing(models.Model):
    """What a seller offers under one consent."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    seller = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="listings")
    consent = models.ForeignKey(Consent, models.PROTECT, related_name="listings")
    title = models.CharField(max_length=120)
    summary = models.TextField(max_length=4000)
    category = models.CharField(max_length=16, choices=Category)
    licence_text = models.TextField(max_length=8000)
    country = models.CharField(max_length=2, blank=True)
    measures = ArrayField(models.CharField(max_length=LONGEST_MEASURE_NAME), default=list)
    share_name = models.SlugField(max_length=80, unique=True)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    # Of the first publication. Later ones, with a new price, are in ListingRevision and leave the listing live.
    entry_id = models.UUIDField(null=True, unique=True)
    withdrawal_entry_id = models.UUIDField(null=True, unique=True)
    search_vector = SearchVectorField(null=True, editable=False)
    # Copies that the services keep, so that the catalogue counts and sorts without a look at plans and quality.
    from_micros = models.BigIntegerField("lowest price", null=True, editable=False)
    fresh_at = models.DateTimeField("last reading", default=LONG_AGO, editable=False)

    objects = ListingQuerySet.as_manager()

    class Meta:
        ordering = ["-published_at", "-id"]
        indexes = [
            GinIndex(fields=["search_vector"], name="listing_search"),
            GinIndex(fields=["measures"], name="listing_measures"),
            models.Index(F("published_at").desc(), F("id").desc(), name="listing_newest"),
            models.Index(F("from_micros"), F("id"), name="listing_cheapest"),
            models.Index(F("fresh_at").desc(), F("id").desc(), name="listing_freshest"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(published_at=None, entry_id=None) | Q(published_at__isnull=False, entry_id__isnull=False),
                name="listing_publication_is_recorded",
            ),
            models.CheckConstraint(
                condition=Q(withdrawn_at=None, withdrawal_entry_id=None)
                | Q(withdrawn_at__isnull=False, withdrawal_entry_id__isnull=False),
                name="listing_withdrawal_is_recorded",
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def state_at(self, at: datetime, *, is_recorded: bool) -> ListingState:
        """is_recorded: whether the log has its consent and its first publication; see is_recorded."""
        if self.published_at is None:
            return ListingState.DRAFT
        if self.withdrawn_at is not None:
            return ListingState.WITHDRAWN
        if not self.consent.is_active(at):
            return ListingState.ENDED
        return ListingState.LIVE if is_recorded else ListingState.WAITING

    def is_held(self, at: datetime) -> bool:
        """For a row what held_at is for queries."""
        return self.state_at(at, is_recorded=True) == ListingState.LIVE

    def is_recorded(self) -> bool:
        """Ask the log for what makes it live. Costs one query."""
        if self.entry_id is None:
            return False
        return Entry.objects.filter(entry_id__in=[self.entry_id, self.consent.entry_id]).count() == 2


class ListingRevision(models.Model):
    """One publication of a listing's terms, the first or one with a new price. Each has its own entry in the log."""

    listing = models.ForeignKey(Listing, models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    entry_id = models.UUIDField(unique=True)
    published_at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["listing", "number"], name="listing_revision_once"),
            models.CheckConstraint(condition=Q(number__gt=0), name="listing_revision_counts_from_one"),
        ]

    def __str__(self) -> str:
        return f"Revision {self.number}"


class Plan(models.Model):
    """A price of a listing. price_micros is what the buyer pays, market fee included."""

    class Kind(models.TextChoices):
        FREE = "free", "Free: the history up to now"
        ONE_OFF = "one_off", "One-off: the history up to now"
        PERIOD = "period", "A period from now on"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    listing = models.ForeignKey(Listing, models.CASCADE, related_name="plans")
    kind = models.CharField(max_length=8, choices=Kind)
    price_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    period_days = models.PositiveSmallIntegerField(null=True)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["position"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind="free", price_micros=0) | (~Q(kind="free") & Q(price_micros__gt=0)),
                name="plan_price_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="period", period_days__gt=0) | (~Q(kind="period") & Q(period_days=None)),
                name="plan_period_fits_kind",
            ),
            models.UniqueConstraint(fields=["listing", "position"], name="plan_position_once"),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()

    def readings_until(self, at: datetime) -> datetime:
        """The end, exclusive, of the readings that buying at a moment opens."""
        return at + timedelta(days=self.period_days or 0)

    def is_served_within(self, consent: Consent, at: datetime) -> bool:
        """Whether the last of those readings may still be delivered before the consent ends; a delay counts in."""
        return self.readings_until(at) + timedelta(seconds=consent.delay_seconds) <= consent.valid_until


class ListingQuality(models.Model):
    """What was measured about a listing's data, never what the seller claims."""

    listing = models.OneToOneField(Listing, models.CASCADE, related_name="quality")
    measured_at = models.DateTimeField()
    row_count = models.BigIntegerField()
    reading_count = models.BigIntegerField()
    first_reading_at = models.DateTimeField(null=True)
    last_reading_at = models.DateTimeField(null=True, db_index=True)
    coverage = models.FloatField(help_text="Share of the expected rows that are there, 0 to 1.")
    gap_count = models.PositiveIntegerField()
    signed_share = models.FloatField(help_text="Share of readings that came in a verified signed batch, 0 to 1.")
    sparkline = ArrayField(models.FloatField(), default=list)

    def __str__(self) -> str:
        return f"Quality of {self.listing_id}"
