"""Country names by ISO 3166 alpha-2 code, from the time zone database that Python's tzdata package carries."""

from functools import cache
from importlib.resources import files


@cache
def country_names() -> dict[str, str]:
    """Return code -> English name, sorted by name."""
    table = (files("tzdata") / "zoneinfo" / "iso3166.tab").read_text(encoding="utf-8")
    pairs = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return dict(sorted(((code, name) for code, name in pairs), key=lambda pair: pair[1]))


def country_name(code: str) -> str:
    return country_names().get(code, code)
