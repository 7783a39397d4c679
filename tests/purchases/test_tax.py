"""The pure rules of VAT: which rate is inside a price, and when none is."""

from datetime import date

import pytest

from marketplace.purchases.tax import (
    STANDARD_RATES,
    Market,
    Tax,
    Treatment,
    compact_vat_id,
    is_in_union,
    standard_rate,
    tax_for,
)

MARKET = Market("DE", "DE100000008")
TODAY = date(2026, 11, 1)
AUSTRIAN = "ATU57194903"


@pytest.mark.parametrize(
    ("country", "vat_id", "expected"),
    [
        ("DE", "", Tax(Treatment.DOMESTIC, 1900, "DE")),
        ("DE", "DE100000016", Tax(Treatment.DOMESTIC, 1900, "DE")),
        ("", "", Tax(Treatment.DOMESTIC, 1900, "DE")),
        ("AT", "", Tax(Treatment.ONE_STOP_SHOP, 2000, "AT")),
        ("FI", "", Tax(Treatment.ONE_STOP_SHOP, 2550, "FI")),
        ("MC", "", Tax(Treatment.ONE_STOP_SHOP, 2000, "FR")),
        ("AT", AUSTRIAN, Tax(Treatment.REVERSE_CHARGE, 0, "AT")),
        ("GR", "EL094259216", Tax(Treatment.REVERSE_CHARGE, 0, "GR")),
        # Of another country, or with a wrong check digit: not counted.
        ("FR", AUSTRIAN, Tax(Treatment.ONE_STOP_SHOP, 2000, "FR")),
        ("AT", "ATU57194904", Tax(Treatment.ONE_STOP_SHOP, 2000, "AT")),
        ("US", "", Tax(Treatment.OUTSIDE_EU, 0, "US")),
        ("GB", "GB980780684", Tax(Treatment.OUTSIDE_EU, 0, "GB")),
    ],
)
def test_the_treatment_follows_the_buyer(country: str, vat_id: str, expected: Tax) -> None:
    assert tax_for(MARKET, country=country, vat_id=vat_id, on=TODAY) == expected


@pytest.mark.parametrize("country", ["", "DE", "AT", "US"])
def test_a_market_without_vat_id_charges_none(country: str) -> None:
    tax = tax_for(Market("DE", ""), country=country, vat_id="", on=TODAY)
    assert tax == Tax(Treatment.NOT_CHARGED, 0, "")


@pytest.mark.parametrize(
    ("country", "on", "basis_points"),
    [
        ("EE", date(2025, 6, 30), 2200),
        ("EE", date(2025, 7, 1), 2400),
        ("FI", date(2024, 8, 31), 2400),
        ("FI", date(2024, 9, 1), 2550),
        ("RO", date(2025, 7, 31), 1900),
        ("RO", date(2025, 8, 1), 2100),
        ("SK", date(2024, 12, 31), 2000),
        ("SK", date(2025, 1, 1), 2300),
    ],
)
def test_a_rate_holds_from_its_day(country: str, on: date, basis_points: int) -> None:
    assert standard_rate(country, on) == basis_points


def test_every_member_state_has_its_rates_newest_first() -> None:
    assert len(STANDARD_RATES) == 27
    for country, rates in STANDARD_RATES.items():
        assert list(rates) == sorted(rates, reverse=True), country
        assert standard_rate(country, date(2024, 1, 1))
        # Article 97 of Directive 2006/112/EC: never below 15 %. None is above Hungary's.
        assert all(1500 <= basis_points <= 2700 for _, basis_points in rates)


def test_a_day_before_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="2024"):
        standard_rate("EE", date(2023, 12, 31))


def test_vat_ids_are_written_one_way() -> None:
    assert compact_vat_id(" atu 5719-4903 ", "AT") == AUSTRIAN
    assert compact_vat_id(AUSTRIAN, "DE") == ""
    assert compact_vat_id("ATU57194903", "US") == ""
    assert compact_vat_id("EU372022452", "DE") == ""
    assert compact_vat_id("EU372022452", "EU") == ""


def test_the_union() -> None:
    assert is_in_union("MC")
    assert not is_in_union("GB")
