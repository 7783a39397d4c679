"""Terms of consents and names of measures in plain words."""

import re
from collections.abc import Iterable, Sequence

from marketplace.consents.models import Audience, Consent, Resolution
from marketplace.consents.purposes import PURPOSE_BY_CODE
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Plan
from marketplace.web.formats import duration_text, plural

RESOLUTION_NOTES = {
    Resolution.RAW: (
        "The most detail, and the most that can be learned about you. Buyers also get the devices’ signatures and "
        "public keys."
    ),
    Resolution.MINUTE: "Still shows when a kettle or a charger is switched on.",
    Resolution.QUARTER: "Shows the course of a day; single acts blur.",
    Resolution.HOUR: "Shows habits, hardly single acts.",
    Resolution.DAY: "Shows seasons, not habits.",
}


# UCUM codes that people know under another sign. The data keep the code.
UNIT_SIGNS = {
    "Cel": "°C",
    "[degF]": "°F",
    "deg": "°",
    "Ohm": "Ω",
    "um": "µm",
    "ug/m3": "µg/m³",
    "W/m2": "W/m²",
    "1": "",
}


def unit_label(ucum: str) -> str:
    return UNIT_SIGNS.get(ucum, ucum)


def measure_label(name: str) -> str:
    """air_temperature as Air temperature; pm2_5 as PM2.5, as the field writes it."""
    dust = re.fullmatch(r"pm(\d+)(?:_(\d+))?", name)
    if dust:
        return "PM" + ".".join(part for part in dust.groups() if part)
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def join_words(words: Sequence[str]) -> str:
    """a, b and c."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def fields_text(fields: Iterable[str]) -> str:
    return ", ".join(measure_label(name) for name in fields)


def first_fields_text(fields: Sequence[str], shown: int = 2) -> str:
    """Air pressure, Air temperature and 17 more: for headings and labels, where the whole list says less."""
    more = len(fields) - shown
    return f"{fields_text(fields[:shown])} and {more} more" if more > 0 else fields_text(fields)


def term_text(seconds: int) -> str:
    """A length as sellers give it, in days or else hours: 30 days, 36 hours."""
    for word, size in (("day", 86_400), ("hour", 3_600)):
        if seconds % size == 0:
            return plural(seconds // size, word)
    return duration_text(seconds)


def plan_name(plan: Plan | PlanTerms) -> str:
    """What a plan is called on the pages of both sides."""
    if plan.kind == Plan.Kind.PERIOD:
        term = term_text(plan.period_seconds or 0)
        return f"{term[:1].upper()}{term[1:]} at a time, renewing" if plan.is_renewing else f"The next {term}"
    if plan.kind == Plan.Kind.METERED:
        return "Pay by use"
    if plan.kind == Plan.Kind.TRIAL:
        return f"Trial: {term_text(plan.trial_seconds) if plan.trial_seconds else plural(plan.trial_rows or 0, 'row')}"
    return "The history up to now"


def purpose_labels(codes: Iterable[str]) -> list[str]:
    return [PURPOSE_BY_CODE[code].label if code in PURPOSE_BY_CODE else code for code in codes]


def delay_text(seconds: int) -> str:
    return f"{duration_text(seconds)} after they were measured" if seconds else "as soon as they arrive"


def origin_text(resolution: str) -> str:
    """What shows a buyer where the rows come from."""
    if resolution == Resolution.RAW:
        return "You get the devices’ own signed messages, and can prove each row to anybody"
    return "Derived: computed from signed readings, so no device signed these rows"


def resolution_label(resolution: str) -> str:
    return Resolution(resolution).label if resolution in Resolution.values else resolution


def audience_text(consent: Consent) -> str:
    """Who may buy. Reads consent.named_buyers: prefetch it for lists."""
    if consent.audience == Audience.ANYONE:
        return "Anyone who buys it"
    return join_words([buyer.email for buyer in consent.named_buyers.all()])
