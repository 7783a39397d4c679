import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.errors import UnitUnknown
from devices.units import MAX_UNIT_LENGTH, SENML_TO_UCUM, is_ucum, ucum_unit

# The primary registry of RFC 8428 and the secondary one of RFC 8798.
SENML_REGISTRY = """
    m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s W/m2
    cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m B VA VAs var vars J/m
    kg/m3 deg NTU ms min h MHz kW kVA kvar Ah Wh kWh varh kvarh kVAh Wh/km KiB GB Mbit/s B/s MB/s mV mA dBm ug/m3
    mm/h m/h ppm /100 /1000 hPa mm cm km km/h
"""
GOOD = """
    1 % [degF] mW/m2 kW.h/m2 m-2 m+2 10*6/m3 10*-3 /s kg.m/s2 g/(m2.s) J/(kg.K) mm[Hg] dB[SPL] uS/cm {count}
    {beats}/min kg{dry} mbar KiBy [in_i'Hg] ar dar a mo_j (m) ((m))
"""
BAD = """
    bananas Celsius celsius W/ m//s m^2 (m m) () m2{ m} {a{b}} kPa. 0 °C kmin [foo] m2- m--2 µg m/ .m kk kkg
"""
ODD = ["", "W m2", "kg\n", "m" * 41, "(" * 40]


@pytest.mark.parametrize("unit", SENML_REGISTRY.split())
def test_every_unit_of_the_registry_is_known(unit: str) -> None:
    assert is_ucum(ucum_unit(unit))


def test_every_translation_is_a_unit() -> None:
    assert [unit for unit in SENML_TO_UCUM.values() if not is_ucum(unit)] == []


@pytest.mark.parametrize("unit", GOOD.split())
def test_takes_what_ucum_knows(unit: str) -> None:
    assert ucum_unit(unit) == unit


@pytest.mark.parametrize("unit", [*BAD.split(), *ODD])
def test_refuses_what_is_no_unit(unit: str) -> None:
    assert not is_ucum(unit)
    with pytest.raises(UnitUnknown):
        ucum_unit(unit)


@given(st.text(alphabet="mkgs/.()[]{}2-+1 degF%", max_size=MAX_UNIT_LENGTH))
def test_no_text_crashes_it(unit: str) -> None:
    is_ucum(unit)
