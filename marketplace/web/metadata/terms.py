"""Words that the vocabularies share. Pure."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

AUTHORITY = "http://publications.europa.eu/resource/authority/"
# The European Union's data themes.
THEMES = {"weather": "ENVI", "energy": "ENER", "air": "ENVI", "mobility": "TRAN", "other": "TECH"}


def instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def duration(length: timedelta) -> str:
    """ISO 8601: whole days as P30D, anything else in seconds."""
    seconds = int(length.total_seconds())
    return f"P{seconds // 86_400}D" if seconds % 86_400 == 0 else f"PT{seconds}S"


def amount(price: Decimal) -> str:
    """At least two decimals, and as many as matter."""
    whole, _, decimals = f"{price:f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def without_nothing(content: dict[str, Any]) -> dict[str, Any]:
    """Leave out what there is nothing to say about."""
    return {name: value for name, value in content.items() if value not in (None, "", [], {})}
