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

SHORTEST_PERIOD_SECONDS = 3_600
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

    def public_plans(self) -> list[Plan]:
        """What anyone may buy. Reads self.plans: prefetch it for lists."""
        return [plan for plan in self.plans.all() if plan.is_public]

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


class PlanQuerySet(models.QuerySet["Plan"]):
    def current(self) -> Self:
        """What is sold now, to anyone or to one: every plan but the versions of before."""
        return self.filter(retired_at=None)

    def public(self) -> Self:
        return self.current().filter(offered_email="")

    def open_to(self, user: User | AnonymousUser, at: datetime) -> Self:
        """The public plans, and the offers that were made to this very person and still hold."""
        addresses = user.verified_addresses() if user.is_authenticated else []
        own = Q(offered_email__in=addresses, offer_until__gt=at)
        return self.current().filter(Q(offered_email="") | own)


class Plan(models.Model):
    """A price of a listing, all-in: market fee and tax are inside every amount.

    price_micros is what the buyer pays when he buys. The terms never change: a new price is a new row that replaces
    this one, which is retired then; who bought this one keeps it until it is renewed.
    period: period_seconds, and whether it renews. metered: rows and base_micros are billed by the calendar month (UTC),
    never more than cap_micros. trial: ends by time or by rows. offered_email: only this person sees and buys the plan.
    """

    class Kind(models.TextChoices):
        FREE = "free", "Free: the history up to now"
        ONE_OFF = "one_off", "One-off: the history up to now"
        PERIOD = "period", "A period from now on"
        METERED = "metered", "Metered: by rows and month"
        TRIAL = "trial", "Trial: once, by time or rows"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    listing = models.ForeignKey(Listing, models.CASCADE, related_name="plans")
    kind = models.CharField(max_length=8, choices=Kind)
    price_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    position = models.PositiveSmallIntegerField()
    period_seconds = models.PositiveIntegerField(null=True)
    is_renewing = models.BooleanField(default=False)
    micros_per_1000_rows = models.BigIntegerField(null=True)
    free_rows = models.BigIntegerField(default=0)
    base_micros = models.BigIntegerField(default=0)
    cap_micros = models.BigIntegerField(null=True)
    trial_seconds = models.PositiveIntegerField(null=True)
    trial_rows = models.BigIntegerField(null=True)
    offered_email = models.EmailField(blank=True)
    offer_until = models.DateTimeField(null=True)
    replaces = models.OneToOneField("self", models.CASCADE, null=True, related_name="replaced_by")
    retired_at = models.DateTimeField(null=True)
    # Of an offer, which is no part of the publication that everybody may prove.
    entry_id = models.UUIDField(null=True, unique=True)

    objects = PlanQuerySet.as_manager()

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(kind__in=["free", "trial", "metered"], price_micros=0)
                | Q(kind__in=["one_off", "period"], price_micros__gt=0),
                name="plan_price_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="period", period_seconds__gte=SHORTEST_PERIOD_SECONDS)
                | (~Q(kind="period") & Q(period_seconds=None, is_renewing=False)),
                name="plan_period_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="metered", micros_per_1000_rows__gt=0, free_rows__gte=0, base_micros__gte=0)
                & (Q(cap_micros=None) | Q(cap_micros__gte=F("base_micros"), cap_micros__gt=0))
                | (~Q(kind="metered") & Q(micros_per_1000_rows=None, free_rows=0, base_micros=0, cap_micros=None)),
                name="plan_meter_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="trial") & (Q(trial_seconds__gt=0) | Q(trial_rows__gt=0))
                | (~Q(kind="trial") & Q(trial_seconds=None, trial_rows=None)),
                name="plan_trial_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(offered_email="", offer_until=None, entry_id=None)
                | (
                    ~Q(offered_email="")
                    & Q(kind__in=["one_off", "period"], offer_until__isnull=False, entry_id__isnull=False)
                ),
                name="plan_offer_fits_kind",
            ),
            models.UniqueConstraint(
                fields=["listing", "position"], condition=Q(retired_at=None), name="plan_position_once"
            ),
        ]

    def __str__(self) -> str:
        return self.get_kind_display()

    @property
    def is_public(self) -> bool:
        return self.retired_at is None and not self.offered_email

    def latest_version(self) -> Plan:
        """What this plan is sold as now: the last that replaces it, retired or not."""
        plan = self
        while (newer := Plan.objects.filter(replaces=plan).first()) is not None:
            plan = newer
        return plan

    def readings_until(self, at: datetime) -> datetime:
        """The end, exclusive, of the readings that buying at a moment opens."""
        return at + timedelta(seconds=self.period_seconds or 0)

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
