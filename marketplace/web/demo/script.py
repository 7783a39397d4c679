"""What the demo market consists of. Pure: words and numbers only.

The accounts are roles, not people. Every address is under .example, which RFC 2606 keeps free of mail.
"""

from dataclasses import dataclass, field

LICENCE = (
    "You may store the data, analyse it, and publish results and models made with it, for the purposes listed. "
    "You may not pass the readings themselves on, and you may not try to find out whose device it is. "
    "What you loaded before a withdrawal may be kept for results that are already published."
)


@dataclass(frozen=True)
class DemoPerson:
    key: str
    email: str
    display_name: str
    role: str
    country: str
    time_zone: str
    top_up_euros: int = 0


@dataclass(frozen=True)
class DemoDevice:
    owner: str
    key: str
    name: str
    kind: str
    country: str
    region: str
    every_minutes: int = 10


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
    plans: tuple[tuple[str, int, int | None], ...]  # kind, price in cents, days
    purposes: tuple[str, ...] = ("AcademicResearch", "CommercialResearch", "PublicBenefit")
    delay_seconds: int = 0
    state: str = "live"  # live, draft, withdrawn, consent_withdrawn, ended
    buyers: tuple[str, ...] = field(default=())


PEOPLE = (
    DemoPerson("harbour", "harbour@demo.example", "Harbour Roofs", "owner", "DE", "Europe/Berlin"),
    DemoPerson("mill", "mill@demo.example", "Mill Lane Energy", "owner", "AT", "Europe/Vienna"),
    DemoPerson("air", "air@demo.example", "Open Window Air", "owner", "NL", "Europe/Amsterdam"),
    DemoPerson("charge", "charge@demo.example", "Corner Charging", "owner", "FR", "Europe/Paris"),
    DemoPerson("buyer", "buyer@demo.example", "Grid Forecast Lab", "buyer", "DE", "Europe/Berlin", 250),
    DemoPerson("planner", "planner@demo.example", "Town Planning Desk", "buyer", "NL", "Europe/Amsterdam", 120),
    DemoPerson("auditor", "auditor@demo.example", "Ledger Auditor", "auditor", "DE", "UTC"),
    DemoPerson("operator", "operator@demo.example", "Market Operator", "operator", "DE", "UTC"),
)

DEVICES = (
    DemoDevice("harbour", "roof-north", "North roof", "weather_station", "DE", "Hamburg"),
    DemoDevice("harbour", "roof-south", "South roof", "weather_station", "DE", "Hamburg"),
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
        (("free", 0, None), ("period", 900, 30)),
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
        (("one_off", 1240, None), ("period", 450, 30)),
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
        (("one_off", 3500, None), ("period", 1900, 30)),
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
        (("one_off", 1800, None),),
        delay_seconds=3600,
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
        (("free", 0, None),),
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
        (("one_off", 800, None), ("period", 300, 7)),
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
        (("period", 2500, 30), ("one_off", 4800, None)),
        buyers=("buyer",),
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
        (("one_off", 300, None),),
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
        (("one_off", 200, None),),
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
        (("one_off", 100, None),),
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
        (("one_off", 1500, None),),
        state="draft",
    ),
)
