"""Believable readings for four kinds of device: daily and yearly shapes, weather, people's habits. Pure.

Each value follows from kind, seed and time alone, so that a simulation can be stopped, resumed and repeated.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from random import Random

Sample = tuple[str, float, str]
_DAY = 86_400.0
_HOUR = 3_600.0
_YEAR = 365.25 * _DAY
_LATITUDE = math.radians(51.0)


def samples_at(kind: str, *, seed: int, unix_seconds: float) -> list[Sample]:
    """Return (measure, value, SenML unit) of every measure of a kind at a moment. kind: a key of KINDS."""
    return KINDS[kind](seed, unix_seconds)


def weather_station(seed: int, at: float) -> list[Sample]:
    cloud = _noise(seed, "cloud", at, 5 * _HOUR)
    clear_sky = 1040.0 * max(_sun_height(at), 0.0) ** 1.15 * (0.97 + 0.06 * _noise(seed, "haze", at, 300))
    irradiance = clear_sky * (1.0 - 0.72 * cloud**2)
    warmth = 9.5 + 9.0 * _yearly(at) + 4.2 * _daily(at, 15.0) * (1.1 - 0.6 * cloud)
    front = 7.0 * (_noise(seed, "front", at, 60 * _HOUR) - 0.5)
    temperature = warmth + front + 0.5 * (_noise(seed, "air", at, 900) - 0.5)
    humidity = 78.0 - 19.0 * _daily(at, 15.0) * (1.1 - 0.6 * cloud) + 18.0 * (cloud - 0.5)
    pressure = 1014.0 + 26.0 * (_noise(seed, "pressure", at, 50 * _HOUR) - 0.5)
    gusts = _noise(seed, "wind", at, 7 * _HOUR) ** 2 * 9.0 + 1.2 * max(_daily(at, 14.0), 0.0)
    wind = gusts * (0.7 + 0.6 * _noise(seed, "gust", at, 120))
    rain = max(cloud - 0.72, 0.0) * 22.0 * _noise(seed, "shower", at, 1_500) ** 2
    return [
        ("air_temperature", round(temperature, 1), "Cel"),
        ("relative_humidity", round(min(max(humidity, 18.0), 100.0), 1), "%RH"),
        ("air_pressure", round(pressure, 1), "hPa"),
        ("wind_speed", round(wind, 1), "m/s"),
        ("rainfall_rate", round(rain, 1), "mm/h"),
        ("solar_irradiance", round(irradiance, 1), "W/m2"),
    ]


def smart_meter(seed: int, at: float) -> list[Sample]:
    base = 180.0 + 160.0 * _noise(seed, "home", 0.0, _YEAR)
    habits = 420.0 * _peak(at, 7.3, 1.1) + 310.0 * _peak(at, 12.6, 1.3) + 900.0 * _peak(at, 19.2, 2.0)
    fridge = 85.0 if (at + seed * 977) % 2_700 < 900 else 0.0
    kettle = 1_850.0 if _noise(seed, "kettle", at, 240) > 0.965 - 0.05 * _peak(at, 19.0, 3.0) else 0.0
    power = base + habits * (0.55 + 0.9 * _noise(seed, "use", at, 1_200)) + fridge + kettle
    # The register counts the usual day; what a kettle adds is lost in its last digit.
    energy = 4_200.0 + 37.0 * (seed % 97) + (base + 330.0) * (at % (20 * _YEAR)) / _HOUR / 1_000.0
    voltage = 231.0 - 0.0012 * power + 3.0 * (_noise(seed, "volt", at, 600) - 0.5)
    return [
        ("active_power", round(power, 0), "W"),
        ("energy_import", round(energy, 3), "kWh"),
        ("voltage", round(voltage, 1), "V"),
        ("frequency", round(50.0 + 0.06 * (_noise(0, "grid", at, 90) - 0.5), 3), "Hz"),
    ]


def air_quality(seed: int, at: float) -> list[Sample]:
    traffic = _peak(at, 8.0, 1.6) + 0.9 * _peak(at, 17.8, 2.2)
    still_air = _noise(seed, "still", at, 40 * _HOUR)
    fine = 4.0 + 14.0 * still_air + 5.0 * traffic * (0.5 + still_air) + 3.0 * _noise(seed, "smoke", at, 2_400)
    coarse = fine * (1.35 + 0.5 * _noise(seed, "dust", at, 5_400))
    nitrogen = 7.0 + 12.0 * still_air + 19.0 * traffic * (0.4 + still_air)
    carbon = 421.0 + 30.0 * still_air - 9.0 * _daily(at, 14.0) + 24.0 * traffic
    front = 6.0 * (_noise(seed, "front", at, 60 * _HOUR) - 0.5)
    temperature = 10.5 + 9.0 * _yearly(at) + 4.0 * _daily(at, 15.0) + front
    return [
        ("pm2_5", round(fine, 1), "ug/m3"),
        ("pm10", round(coarse, 1), "ug/m3"),
        ("nitrogen_dioxide", round(nitrogen, 1), "ppb"),
        ("carbon_dioxide", round(carbon, 0), "ppm"),
        ("air_temperature", round(temperature, 1), "Cel"),
    ]


def charging_point(seed: int, at: float) -> list[Sample]:
    since, length, rate = _session(seed, at)
    is_charging = 0.0 <= since < length
    power = 0.0
    energy = 0.0
    if is_charging:
        # Full power first, then less and less over the last fifth, as batteries do.
        power = rate * min(1.0, (length - since) / (0.2 * length)) * (0.985 + 0.03 * _noise(seed, "charge", at, 60))
        tail = max(since - 0.8 * length, 0.0)
        energy = rate * (since - tail * tail / (0.4 * length)) / _HOUR
    return [
        ("occupied", 1.0 if is_charging else 0.0, "/"),
        ("charging_power", round(power, 2), "kW"),
        ("session_energy", round(energy, 3), "kWh"),
        ("voltage", round(398.0 - 0.11 * power + 4.0 * (_noise(seed, "volt", at, 900) - 0.5), 1), "V"),
    ]


KINDS: dict[str, Callable[[int, float], list[Sample]]] = {
    "weather_station": weather_station,
    "smart_meter": smart_meter,
    "air_quality": air_quality,
    "charging_point": charging_point,
}


def _session(seed: int, at: float) -> tuple[float, float, float]:
    """Return seconds since the slot's session began, its length, and its power in kW. A slot is three hours."""
    slot = math.floor(at / (3 * _HOUR))
    chance = Random(f"session {seed} {slot}")  # noqa: S311 - a simulation, not a secret.
    hour = (slot * 3) % 24
    is_wanted = chance.random() < (0.25 if hour < 6 else 0.8)
    start = slot * 3 * _HOUR + chance.uniform(0.0, 1.2) * _HOUR
    length = chance.uniform(0.5, 1.7) * _HOUR if is_wanted else 0.0
    return at - start, length, chance.choice([7.4, 11.0, 11.0, 22.0])


def _noise(seed: int, name: str, at: float, period: float) -> float:
    """Smooth noise from 0 to 1 that turns about once a period."""
    place, part = divmod(at / period, 1.0)
    before, after = _knot(seed, name, place), _knot(seed, name, place + 1.0)
    return before + (after - before) * part * part * (3.0 - 2.0 * part)


@lru_cache(maxsize=8192)
def _knot(seed: int, name: str, place: float) -> float:
    return Random(f"{seed} {name} {place:.0f}").random()  # noqa: S311 - a simulation, not a secret.


def _daily(at: float, warmest_hour: float) -> float:
    return math.cos(2.0 * math.pi * (at / _DAY - warmest_hour / 24.0))


def _yearly(at: float) -> float:
    """From -1 in the middle of January to 1 in the middle of July."""
    return -math.cos(2.0 * math.pi * (at / _YEAR - 15.0 / 365.25))


def _peak(at: float, hour: float, width_hours: float) -> float:
    distance = (at / _HOUR - hour + 12.0) % 24.0 - 12.0
    return math.exp(-0.5 * (distance / width_hours) ** 2)


def _sun_height(at: float) -> float:
    """The sine of the sun's height above the horizon, for a place in the middle of Europe."""
    tilt = math.radians(23.44) * math.sin(2.0 * math.pi * (at / _YEAR - 80.0 / 365.25))
    turn = 2.0 * math.pi * (at / _DAY - 0.5)
    return math.sin(_LATITUDE) * math.sin(tilt) + math.cos(_LATITUDE) * math.cos(tilt) * math.cos(turn)
