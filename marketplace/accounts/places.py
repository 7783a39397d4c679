"""Where a person is: the choices of the forms that ask."""

from functools import cache
from importlib.resources import files

from marketplace.countries import country_names


@cache
def time_zone_choices() -> list[tuple[str, str]]:
    # The list in Python's tzdata package; zoneinfo.available_timezones() opens each file of the machine's database.
    names = (files("tzdata") / "zones").read_text(encoding="utf-8").split()
    places = sorted(name for name in names if "/" in name and not name.startswith("Etc/"))
    return [("UTC", "UTC"), *((name, name.replace("_", " ")) for name in places)]


def country_choices() -> list[tuple[str, str]]:
    return [("", "Not said"), *country_names().items()]
