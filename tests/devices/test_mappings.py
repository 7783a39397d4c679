"""The ready-made mappings read the formats that they are for, to the last digit. The recordings are made up."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from devices.agent.mapping import read_mapping
from devices.agent.recording import Recording
from devices.models import Measure
from devices.readings import read_readings
from devices.resolving import resolve_batches
from tests.builders_devices import Reading, SigningDevice

HERE = Path(__file__).parent / "recordings"
MAPPINGS = Path(__file__).parents[2] / "docs" / "mappings"

Row = dict[str, tuple[float, str]]

SURFRAD: dict[datetime, Row] = {
    datetime(2024, 5, 1, 0, 0, tzinfo=UTC): {
        "solar_zenith_angle": (89.97, "deg"),
        "global_irradiance": (1.3, "W/m2"),
        "direct_normal_irradiance": (0.1, "W/m2"),
        "diffuse_irradiance": (1.7, "W/m2"),
        "downwelling_infrared": (301.4, "W/m2"),
        "downwelling_case_temperature": (15.56, "Cel"),
        "downwelling_dome_temperature": (15.48, "Cel"),
        "upwelling_infrared": (389.2, "W/m2"),
        "upwelling_case_temperature": (16.75, "Cel"),
        "upwelling_dome_temperature": (16.65, "Cel"),
        "photosynthetic_radiation": (2.6, "W/m2"),
        "net_solar": (-0.4, "W/m2"),
        "net_infrared": (-87.8, "W/m2"),
        "net_total": (-88.2, "W/m2"),
        "air_temperature": (15.5, "Cel"),
        "relative_humidity": (43.1, "%RH"),
        "wind_speed": (2.7, "m/s"),
        "wind_direction": (284.3, "deg"),
        "air_pressure": (834.6, "mbar"),
    },
    # Without reflected_irradiance, downwelling_case_temperature, net_solar and net_total: their flags are not 0.
    datetime(2024, 5, 1, 23, 59, tzinfo=UTC): {
        "solar_zenith_angle": (17.03, "deg"),
        "global_irradiance": (987.6, "W/m2"),
        "direct_normal_irradiance": (-2.1, "W/m2"),
        "diffuse_irradiance": (101.9, "W/m2"),
        "downwelling_infrared": (333.0, "W/m2"),
        "downwelling_dome_temperature": (25.92, "Cel"),
        "upwelling_infrared": (501.5, "W/m2"),
        "upwelling_case_temperature": (26.95, "Cel"),
        "upwelling_dome_temperature": (26.85, "Cel"),
        "uvb_irradiance": (193.4, "mW/m2"),
        "photosynthetic_radiation": (421.7, "W/m2"),
        "net_infrared": (-168.5, "W/m2"),
        "air_temperature": (23.9, "Cel"),
        "relative_humidity": (9.8, "%RH"),
        "wind_speed": (0.0, "m/s"),
        "wind_direction": (0.0, "deg"),
        "air_pressure": (831.2, "mbar"),
    },
}
# Mountain standard time: the evening of a year's last day lies in the next year.
MIDC: dict[datetime, Row] = {
    datetime(2024, 1, 1, 0, 0, tzinfo=UTC): {
        "global_irradiance": (-1.26735, "W/m2"),
        "global_irradiation": (3.141592653, "kW.h/m2"),
        "air_temperature_2m": (-4.125, "Cel"),
        "air_temperature_50m": (-3.875, "Cel"),
        "air_temperature_80m": (-3.9001, "Cel"),
    },
    datetime(2024, 1, 1, 6, 59, tzinfo=UTC): {
        "global_irradiance": (0.1, "W/m2"),
        "global_irradiation": (3.141592654, "kW.h/m2"),
        "air_temperature_2m": (-6.3, "Cel"),
        "air_temperature_50m": (-5.7, "Cel"),
        "air_temperature_80m": (-0.001, "Cel"),
    },
}
CASES = [("surfrad", "surfrad.dat", SURFRAD), ("midc", "midc.csv", MIDC)]


def readings_of(mapping: str, recording: str) -> list[Reading]:
    rows = Recording(HERE / recording, read_mapping(MAPPINGS / f"{mapping}.toml")).rows(0)
    return [
        (datetime.fromtimestamp(time, UTC), name, value, unit)
        for row in rows
        for time, name, value, unit in row.readings
    ]


def by_time(readings: list[Reading]) -> dict[datetime, Row]:
    found: dict[datetime, Row] = {}
    for time, name, value, unit in readings:
        found.setdefault(time, {})[name] = (value, unit)
    return found


@pytest.mark.parametrize(("mapping", "recording", "expected"), CASES)
def test_reads_every_value_as_it_was_written(mapping: str, recording: str, expected: dict[datetime, Row]) -> None:
    readings = readings_of(mapping, recording)
    assert by_time(readings) == expected
    assert len(readings) == sum(len(row) for row in expected.values())


@pytest.mark.django_db
@pytest.mark.parametrize(("mapping", "recording", "expected"), CASES)
def test_nothing_is_lost_between_the_file_and_the_table(
    station: SigningDevice, now: datetime, mapping: str, recording: str, expected: dict[datetime, Row]
) -> None:
    station.send(readings_of(mapping, recording), at=now)
    resolve_batches(device=station.device, at=now)
    kept = [
        (time, name, value) for time, name, value in read_readings(station.device)["time", "name", "value"].iter_rows()
    ]
    sent = [(time, name, value) for time, row in expected.items() for name, (value, _) in row.items()]
    assert sorted(kept) == sorted(sent)
    assert set(Measure.objects.values_list("name", flat=True)) == {name for row in expected.values() for name in row}
