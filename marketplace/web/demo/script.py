"""What the demo market consists of. Pure: words and numbers only.

The accounts are roles, not people. Every address is under .example, which RFC 2606 keeps free of mail.
"""

from dataclasses import dataclass, field

from marketplace.listings.entries import PlanTerms
from marketplace.wallet.units import MICROS_PER_CENT

LICENCE = (
    "You may store the data, analyse it, and publish results and models made with it, for the purposes listed. "
    "You may not pass the readings themselves on, and you may not try to find out whose device it is. "
    "What you loaded before a withdrawal may be kept for results that are already published."
)


FREE = PlanTerms("free")


def once(cents: int) -> PlanTerms:
    return PlanTerms("one_off", cents * MICROS_PER_CENT)


def period(cents: int, *, days: int, is_renewing: bool = False) -> PlanTerms:
    return PlanTerms("period", cents * MICROS_PER_CENT, days * 86_400, is_renewing=is_renewing)


def by_use(cents: int, *, free_rows: int, most_cents: int) -> PlanTerms:
    """cents: for 1,000 rows; most_cents: for a month."""
    rate, cap = cents * MICROS_PER_CENT, most_cents * MICROS_PER_CENT
    return PlanTerms("metered", micros_per_1000_rows=rate, free_rows=free_rows, cap_micros=cap)


def trial(*, rows: int) -> PlanTerms:
    return PlanTerms("trial", trial_rows=rows)


@dataclass(frozen=True)
class DemoPerson:
    key: str
    email: str
    display_name: str
    role: str
    country: str
    time_zone: str
    top_up_euros: int = 0
    billing_address: str = ""


@dataclass(frozen=True)
class DemoDevice:
    owner: str
    key: str
    name: str
    kind: str
    country: str
    region: str
    every_minutes: int = 10
    measures: tuple[str, ...] = ()  # What it measures of what its kind could; empty: all.


@dataclass(frozen=True)
class DemoListing:
    seller: str
    key: str
    devices: tuple[str, ...]
    fields: tuple[str, ...]
    resolution: str
    title: str
    summary: str
    category: str
    plans: tuple[PlanTerms, ...]
    purposes: tuple[str, ...] = ("AcademicResearch", "CommercialResearch", "PublicBenefit")
    delay_seconds: int = 0
    later_delay_seconds: int = 0  # To what the owner narrows the consent after the sales; 0: not at all.
    state: str = "live"  # live, draft, withdrawn, consent_withdrawn, ended
    buyers: tuple[str, ...] = field(default=())


# Of what this owner earned, in euros and by what the bank says: the money machine's own words.
PAID_OUT_OWNER = "charge"
PAYOUTS = {"paid": 5, "sent": 5}
# What this buyer took back of what was not spent, in euros.
TAKEN_BACK_BY, TAKEN_BACK_EUROS = "buyer", 5

PEOPLE = (
    DemoPerson(
        "harbour",
        "harbour@demo.example",
        "Harbour Roofs",
        "owner",
        "DE",
        "Europe/Berlin",
        0,
        "Example Quay 7\n20457 Hamburg",
    ),
    DemoPerson("mill", "mill@demo.example", "Mill Lane Energy", "owner", "AT", "Europe/Vienna"),
    DemoPerson("air", "air@demo.example", "Open Window Air", "owner", "NL", "Europe/Amsterdam"),
    DemoPerson("charge", "charge@demo.example", "Corner Charging", "owner", "FR", "Europe/Paris"),
    DemoPerson(
        "buyer",
        "buyer@demo.example",
        "Grid Forecast Lab",
        "buyer",
        "DE",
        "Europe/Berlin",
        250,
        "Example Street 12\n10115 Berlin",
    ),
    DemoPerson("planner", "planner@demo.example", "Town Planning Desk", "buyer", "NL", "Europe/Amsterdam", 120),
    DemoPerson("auditor", "auditor@demo.example", "Ledger Auditor", "auditor", "DE", "UTC"),
    DemoPerson("operator", "operator@demo.example", "Market Operator", "operator", "DE", "UTC"),
)

DEVICES = (
    DemoDevice("harbour", "roof-north", "North roof", "weather_station", "DE", "Hamburg"),
    # All that it sends is sold as it was sent, so its envelopes prove every row.
    DemoDevice(
        "harbour",
        "roof-south",
        "South roof",
        "weather_station",
        "DE",
        "Hamburg",
        measures=("air_temperature", "wind_speed"),
    ),
    DemoDevice("harbour", "pier", "Pier end", "weather_station", "DE", "Kiel"),
    DemoDevice("harbour", "dike", "Dike house", "weather_station", "DE", "Husum"),
    DemoDevice("mill", "house-1", "House 1 meter", "smart_meter", "AT", "Lower Austria", 15),
    DemoDevice("mill", "house-2", "House 2 meter", "smart_meter", "AT", "Lower Austria", 15),
    DemoDevice("mill", "workshop", "Workshop meter", "smart_meter", "AT", "Lower Austria", 15),
    DemoDevice("mill", "bakery", "Bakery meter", "smart_meter", "AT", "Vienna", 15),
    DemoDevice("air", "school", "School yard", "air_quality", "NL", "Utrecht"),
    DemoDevice("air", "ring-road", "Ring road", "air_quality", "NL", "Utrecht"),
    DemoDevice("charge", "market-1", "Market square 1", "charging_point", "FR", "Lyon"),
    DemoDevice("charge", "market-2", "Market square 2", "charging_point", "FR", "Lyon"),
)

LISTINGS = (
    DemoListing(
        "harbour",
        "coast",
        ("roof-north", "pier", "dike"),
        ("air_temperature", "relative_humidity", "air_pressure"),
        "15min",
        "Coastal weather, three stations",
        "Temperature, humidity and air pressure from three stations on the North Sea and Baltic coast. "
        "Good for checking forecasts where land and sea meet. Sensors were compared with a reference in spring.",
        "weather",
        (FREE, period(900, days=30)),
        buyers=("buyer", "planner"),
    ),
    DemoListing(
        "harbour",
        "roof",
        ("roof-south",),
        ("air_temperature", "wind_speed"),
        "raw",
        "Rooftop temperature and wind, every reading",
        "Every reading of one rooftop station in Hamburg as it was signed, ten minutes apart. "
        "Use it where averages hide what you are looking for.",
        "weather",
        (once(1240), period(450, days=30, is_renewing=True), trial(rows=500)),
        buyers=("buyer",),
    ),
    DemoListing(
        "mill",
        "houses",
        ("house-1", "house-2"),
        ("active_power",),
        "15min",
        "Household load, two homes",
        "Quarter-hour load of two homes with heat pumps. Delayed by a day, so nobody can tell who is at home now.",
        "energy",
        (once(3500), period(1900, days=30)),
        delay_seconds=86_400,
        buyers=("buyer",),
    ),
    DemoListing(
        "mill",
        "trade",
        ("workshop", "bakery"),
        ("active_power",),
        "1h",
        "Small business load, hourly",
        "A workshop and a bakery by the hour: the bakery starts at three in the morning, the workshop at seven.",
        "energy",
        (by_use(40, free_rows=100, most_cents=1500), once(1800), trial(rows=200)),
        delay_seconds=3600,
        buyers=("planner",),
    ),
    DemoListing(
        "air",
        "school",
        ("school",),
        ("pm2_5", "pm10"),
        "1h",
        "Air at a school yard",
        "Fine dust at a primary school, hourly. Free for research and for the town.",
        "air",
        (FREE,),
        purposes=("AcademicResearch", "PublicBenefit"),
        buyers=("planner",),
    ),
    DemoListing(
        "air",
        "road",
        ("ring-road", "school"),
        ("nitrogen_dioxide", "pm2_5"),
        "15min",
        "Ring road against school yard",
        "Nitrogen dioxide and fine dust beside a ring road and 600 m away from it, measured at the same minutes.",
        "air",
        (once(800), period(300, days=7)),
        later_delay_seconds=3600,
        buyers=("planner",),
    ),
    DemoListing(
        "charge",
        "square",
        ("market-1", "market-2"),
        ("charging_power", "occupied"),
        "15min",
        "Charging on a market square",
        "Power and occupancy of two charging points. Shows market days, evenings and the empty hours between.",
        "mobility",
        (period(2500, days=30), once(4800)),
        buyers=("buyer", "planner"),
    ),
    DemoListing(
        "harbour",
        "night",
        ("dike",),
        ("air_temperature",),
        "1h",
        "Night temperatures behind the dike",
        "Hourly temperature of one station behind the dike.",
        "weather",
        (once(300),),
        state="withdrawn",
    ),
    DemoListing(
        "charge",
        "trial",
        ("market-1",),
        ("charging_power",),
        "1h",
        "One charging point, trial month",
        "A trial that its owner ended by withdrawing the consent.",
        "mobility",
        (once(200),),
        state="consent_withdrawn",
        buyers=("planner",),
    ),
    DemoListing(
        "mill",
        "autumn",
        ("house-2",),
        ("active_power",),
        "1d",
        "Daily load, two weeks",
        "Daily averages under a consent that was granted for two weeks only.",
        "energy",
        (once(100),),
        state="ended",
    ),
    DemoListing(
        "air",
        "draft",
        ("ring-road",),
        ("nitrogen_dioxide",),
        "raw",
        "Nitrogen dioxide at the ring road",
        "Every reading. Not published yet: the price is still open.",
        "air",
        (once(1500),),
        state="draft",
    ),
)
