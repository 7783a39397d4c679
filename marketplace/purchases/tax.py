"""How much VAT is inside a price, and under which rule. Pure: rates and rules as data, countries and dates in.

The market sells the data in its own name (Council Implementing Regulation (EU) 282/2011, Article 9a), so the VAT of a
sale is the market's, whoever the seller is. Loading data is an electronically supplied service (Directive 2006/112/EC,
Annex II, point 3): a consumer is taxed where he lives (Article 58), a business where it is established (Article 44),
where it accounts for the tax itself (Article 196). The price is the same for everybody; only what is inside it differs.
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError

# Standard rates in hundredths of a percent, newest first, each with the day from which it holds. Source: European
# Commission, Taxes in Europe Database, and its list of rates in the member states; the changes since 2024 from the
# national laws named beside them. Rates that ended before 2024 are left out: nothing was sold here then.
STANDARD_RATES: dict[str, tuple[tuple[date, int], ...]] = {
    "AT": ((date(1984, 1, 1), 2000),),
    "BE": ((date(1996, 1, 1), 2100),),
    "BG": ((date(1999, 1, 1), 2000),),
    "CY": ((date(2014, 1, 13), 1900),),
    "CZ": ((date(2013, 1, 1), 2100),),
    "DE": ((date(2021, 1, 1), 1900),),
    "DK": ((date(1992, 1, 1), 2500),),
    # Security tax act of 2024.
    "EE": ((date(2025, 7, 1), 2400), (date(2024, 1, 1), 2200)),
    "ES": ((date(2012, 9, 1), 2100),),
    # Act 449/2024.
    "FI": ((date(2024, 9, 1), 2550), (date(2013, 1, 1), 2400)),
    "FR": ((date(2014, 1, 1), 2000),),
    "GR": ((date(2016, 6, 1), 2400),),
    "HR": ((date(2012, 3, 1), 2500),),
    "HU": ((date(2012, 1, 1), 2700),),
    "IE": ((date(2021, 3, 1), 2300),),
    "IT": ((date(2013, 10, 1), 2200),),
    "LT": ((date(2009, 9, 1), 2100),),
    "LU": ((date(2024, 1, 1), 1700), (date(2023, 1, 1), 1600)),
    "LV": ((date(2012, 7, 1), 2100),),
    "MT": ((date(2004, 1, 1), 1800),),
    "NL": ((date(2012, 10, 1), 2100),),
    "PL": ((date(2011, 1, 1), 2300),),
    "PT": ((date(2011, 1, 1), 2300),),
    # Act 141/2025.
    "RO": ((date(2025, 8, 1), 2100), (date(2017, 1, 1), 1900)),
    "SE": ((date(1990, 7, 1), 2500),),
    "SI": ((date(2013, 7, 1), 2200),),
    # Act 102/2024, and its amendment of Act 222/2004.
    "SK": ((date(2025, 1, 1), 2300), (date(2011, 1, 1), 2000)),
}
# Directive 2006/112/EC, Article 7: who is there is taxed as in the state on the right.
TAXED_AS = {"MC": "FR"}
# The VAT ids of Greece begin with EL.
_VAT_PREFIXES = {"GR": "EL"}


class Treatment(StrEnum):
    DOMESTIC = "domestic"
    ONE_STOP_SHOP = "one_stop_shop"
    REVERSE_CHARGE = "reverse_charge"
    OUTSIDE_EU = "outside_eu"
    NOT_CHARGED = "not_charged"


TAXED = (Treatment.DOMESTIC.value, Treatment.ONE_STOP_SHOP.value)
UNTAXED = (Treatment.REVERSE_CHARGE.value, Treatment.OUTSIDE_EU.value, Treatment.NOT_CHARGED.value)


@dataclass(frozen=True)
class Tax:
    """basis_points: of the price without tax. country: whose tax it is, or would be; empty where that is nobody's."""

    treatment: Treatment
    basis_points: int
    country: str


@dataclass(frozen=True)
class Market:
    """Who sells. Without a VAT id the market is not registered and charges no tax."""

    country: str
    vat_id: str


def tax_for(market: Market, *, country: str, vat_id: str, on: date) -> Tax:
    """Return the tax inside a price on a day. country, vat_id: what the buyer declared; either may be empty.

    Who declared no country is taxed as at home, so that nobody pays less by saying less. A VAT id counts where its form
    is right and its country is the declared one.
    """
    if not market.vat_id:
        return Tax(Treatment.NOT_CHARGED, 0, "")
    home = TAXED_AS.get(market.country, market.country)
    place = TAXED_AS.get(country, country) or home
    if place == home:
        return Tax(Treatment.DOMESTIC, standard_rate(home, on), home)
    if place not in STANDARD_RATES:
        return Tax(Treatment.OUTSIDE_EU, 0, place)
    if vat_id and is_vat_id(vat_id, place):
        return Tax(Treatment.REVERSE_CHARGE, 0, place)
    return Tax(Treatment.ONE_STOP_SHOP, standard_rate(place, on), place)


def standard_rate(country: str, on: date) -> int:
    """Return the basis points of a member state's standard rate on a day. Raises: KeyError, ValueError before 2024."""
    for valid_from, basis_points in STANDARD_RATES[country]:
        if valid_from <= on:
            return basis_points
    raise ValueError("The rates go back to the beginning of 2024 only.")


def is_in_union(country: str) -> bool:
    return TAXED_AS.get(country, country) in STANDARD_RATES


def is_vat_id(text: str, country: str) -> bool:
    """Whether a VAT id has the form and check digits of a member state. Nobody is asked whether it was given out."""
    return compact_vat_id(text, country) != ""


def compact_vat_id(text: str, country: str) -> str:
    """Return the id with its country's letters and no spaces; empty where it is none of that country."""
    place = TAXED_AS.get(country, country)
    if place not in STANDARD_RATES:
        return ""
    prefix = _VAT_PREFIXES.get(place, place)
    try:
        found = eu_vat.validate(text)
    except ValidationError:
        return ""
    return found if found.startswith(prefix) else ""
