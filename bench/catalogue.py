"""How the catalogue page behaves with 10,000 listings: p95 of whole pages through all middleware, without a network."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.search import SearchVector
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery
from django.test import Client
from django.utils import timezone

from bench.rows import Row, percentile_95
from ledger.services import sequence_batch, submit_entry
from marketplace.accounts.models import User
from marketplace.consents.models import Audience, Consent, Resolution
from marketplace.listings.catalogue import CatalogueSearch, find_listings
from marketplace.listings.models import Category, Listing, ListingQuality, Plan

LISTINGS = 10_000
FEW_LISTINGS = 100
SELLERS = 200
PAGES_EACH = 30
PLACES = ("roof", "harbour", "vineyard", "depot", "school", "orchard", "tram stop", "greenhouse", "quay", "meadow")
MEASURES = {
    "weather": ("air_temperature", "relative_humidity", "wind_speed", "air_pressure"),
    "energy": ("active_power", "energy_total", "voltage"),
    "air": ("pm2_5", "pm10", "co2", "nitrogen_dioxide"),
    "mobility": ("charging_power", "session_energy", "occupancy"),
}
COUNTRIES = ("DE", "ES", "FR", "IT", "NL", "PL", "PT", "SE")
ADDRESSES = (
    "/catalogue/",
    "/catalogue/?q=temperature",
    "/catalogue/?q=harbour+humidity",
    "/catalogue/?sort=price",
    "/catalogue/?sort=freshness",
    "/catalogue/?category=weather",
    "/catalogue/?category=energy&country=DE",
)


def record(kind: str, now: datetime) -> dict[str, object]:
    """Submit an entry for a row that does not exist yet; the row takes over both ids."""
    public_id = uuid4()
    return {"public_id": public_id, "entry_id": submit_entry(kind=kind, body={}, key=public_id, at=now)}


def fill(count: int, now: datetime) -> None:
    """Make listings with one or two plans each and their entries in the log; only the log goes through its service."""
    chance = random.Random(count)
    offset = User.objects.count()
    sellers = User.objects.bulk_create(User(email=f"seller-{offset + n}@example.test") for n in range(SELLERS))
    with transaction.atomic():
        consents = Consent.objects.bulk_create(consent_of(sellers[n % SELLERS], chance, now) for n in range(count))
        listings = Listing.objects.bulk_create(listing_of(consent, chance, now) for consent in consents)
    Plan.objects.bulk_create(plan for listing in listings for plan in plans_of(listing, chance))
    ListingQuality.objects.bulk_create(quality_of(listing, chance, now) for listing in listings)
    plans = Plan.objects.filter(listing=OuterRef("pk"))
    quality = ListingQuality.objects.filter(listing=OuterRef("pk"))
    Listing.objects.update(
        from_micros=Subquery(plans.order_by("price_micros").values("price_micros")[:1]),
        fresh_at=Subquery(quality.values("last_reading_at")),
        search_vector=SearchVector("title", weight="A", config="english")
        + SearchVector("summary", weight="C", config="english"),
    )
    while sequence_batch(at=now):
        pass
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def consent_of(owner: User, chance: random.Random, now: datetime) -> Consent:
    category = chance.choice(list(MEASURES))
    measures = MEASURES[category]
    return Consent(
        **record("consent.granted", now),
        owner=owner,
        fields=chance.sample(measures, chance.randint(1, len(measures))),
        resolution=Resolution.RAW,
        purposes=["AcademicResearch"],
        audience=Audience.ANYONE,
        valid_from=now - timedelta(days=90),
        valid_until=now + timedelta(days=365),
        granted_at=now - timedelta(days=90),
    )


def listing_of(consent: Consent, chance: random.Random, now: datetime) -> Listing:
    category = next(name for name, measures in MEASURES.items() if set(consent.fields) <= set(measures))
    words = ", ".join(consent.fields).replace("_", " ")
    ids = record("listing.published", now)
    return Listing(
        **ids,
        seller=consent.owner,
        consent=consent,
        title=f"{consent.fields[0].replace('_', ' ').capitalize()} of a {chance.choice(PLACES)}"[:120],
        summary=f"Measured day and night: {words}. The place is a {chance.choice(PLACES)}.",
        category=Category(category),
        licence_text="Use it for the purposes above.",
        country=chance.choice(COUNTRIES),
        measures=consent.fields,
        share_name=f"listing-{ids['public_id']}",
        created_at=now,
        published_at=now - timedelta(minutes=chance.randint(1, 100_000)),
    )


def plans_of(listing: Listing, chance: random.Random) -> Iterator[Plan]:
    euros = chance.randint(0, 40)
    kind = Plan.Kind.ONE_OFF if euros else Plan.Kind.FREE
    yield Plan(listing=listing, kind=kind, price_micros=euros * 1_000_000, currency="EUR", position=1)
    if chance.random() < 0.5:
        price = chance.randint(1, 90) * 1_000_000
        yield Plan(
            listing=listing,
            kind=Plan.Kind.PERIOD,
            price_micros=price,
            currency="EUR",
            period_seconds=30 * 86_400,
            position=2,
        )


def quality_of(listing: Listing, chance: random.Random, now: datetime) -> ListingQuality:
    return ListingQuality(
        listing=listing,
        measured_at=now,
        row_count=43_200,
        reading_count=43_200,
        first_reading_at=now - timedelta(days=30),
        last_reading_at=now - timedelta(minutes=chance.randint(1, 60_000)),
        coverage=chance.uniform(0.8, 1),
        gap_count=chance.randint(0, 5),
        signed_share=1,
        sparkline=[chance.random() for _ in range(24)],
    )


def page_times(client: Client, expected: int) -> dict[str, list[float]]:
    """Load every address, the first of each uncounted, in turns."""
    found = find_listings(search=CatalogueSearch(), user=AnonymousUser(), at=timezone.now())
    if found.total != expected or found.listings[0].title not in client.get("/catalogue/").content.decode():
        raise AssertionError(f"The catalogue does not show {expected} listings.")
    times: dict[str, list[float]] = {address: [] for address in ADDRESSES}
    for turn in range(PAGES_EACH + 1):
        for address in ADDRESSES:
            started = time.perf_counter()
            answer = client.get(address)
            seconds = time.perf_counter() - started
            if answer.status_code != 200:
                raise AssertionError(f"{address} answered {answer.status_code}.")
            if turn:
                times[address].append(seconds)
    return times


def run() -> list[Row]:
    # The page asks the clock; rows must not lie in its future.
    now = timezone.now().astimezone(UTC) - timedelta(seconds=1)
    client = Client(SERVER_NAME="127.0.0.1")
    fill(FEW_LISTINGS, now)
    few = page_times(client, FEW_LISTINGS)
    fill(LISTINGS - FEW_LISTINGS, now)
    many = page_times(client, LISTINGS)
    rows = []
    for address in ADDRESSES:
        low, high = percentile_95(few[address]), percentile_95(many[address])
        note = f"({high * 1000:.0f} ms against {low * 1000:.0f} ms)"
        rows.append(Row(f"p95 of {address}, {LISTINGS:,} listings / {FEW_LISTINGS}", high / low, note=note))
    every = percentile_95([seconds for times in many.values() for seconds in times])
    base = percentile_95([seconds for times in few.values() for seconds in times])
    rows.append(Row("p95 of all catalogue pages", every / base, note=f"({every * 1000:.0f} ms)"))
    return rows
