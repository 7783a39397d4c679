"""What a consent makes of readings: a wide table of the consented fields, at its resolution and after its delay.

Columns: `time` (UTC, microseconds), `device` (the pseudonym), then one double per consented field, null when absent.
Raw values are the device's own, untouched. Averages are over whole buckets only, named by their start: an average of
an unfinished bucket would give away single readings.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars

from devices.models import Measure
from devices.readings import read_readings
from marketplace.consents.models import Consent, ConsentDevice, Resolution

TIME, DEVICE = "time", "device"
WIDTH_SECONDS = {
    Resolution.MINUTE: 60,
    Resolution.QUARTER: 900,
    Resolution.HOUR: 3600,
    Resolution.DAY: 86400,
}
_HOUR, _DAY = 3600, 86400


@dataclass(frozen=True)
class Column:
    """A column of the delivered table. field is the device's own name; unit is UCUM, empty for time and device."""

    name: str
    field: str
    unit: str
    kind: str  # timestamp, string or double: the names of Delta's types


def column_names(fields: Sequence[str]) -> dict[str, str]:
    """Return a column name for each field: letters, digits and _ only, unique without regard to case."""
    taken = {TIME, DEVICE}
    names: dict[str, str] = {}
    for field in fields:
        plain = re.sub(r"[^A-Za-z0-9_]", "_", field) or "field"
        name, number = plain, 1
        while name.lower() in taken:
            number += 1
            name = f"{plain}_{number}"
        taken.add(name.lower())
        names[field] = name
    return names


def describe_table(consent: Consent, fields: Collection[str] | None = None) -> list[Column]:
    """Return the table's columns, of the consent's fields only those that are among `fields` when it is given.

    A field that devices send in different units names each. A column's name does not depend on which others are there.
    """
    units: dict[str, list[str]] = {}
    for name, unit in Measure.objects.filter(device__consents=consent, name__in=consent.fields).values_list(
        "name", "unit"
    ):
        if unit not in units.setdefault(name, []):
            units[name].append(unit)
    columns = [Column(TIME, "", "", "timestamp"), Column(DEVICE, "", "", "string")]
    columns += [
        Column(name, field, " / ".join(sorted(units.get(field, []))), "double")
        for field, name in column_names(consent.fields).items()
        if fields is None or field in fields
    ]
    return columns


def due_until(consent: Consent, at: datetime) -> datetime | None:
    """Return the time before which rows may be delivered; None when nothing is held back.

    It moves in steps, so that a table with a delay changes once a step and not with every second.
    """
    step = _step_seconds(consent)
    if step == 0:
        return None
    held_back_from = at.timestamp() - consent.delay_seconds
    return datetime.fromtimestamp(held_back_from // step * step, UTC)


def next_due_at(consent: Consent, due: datetime) -> datetime:
    """Return when due_until will pass `due`."""
    return due + timedelta(seconds=_step_seconds(consent) + consent.delay_seconds)


def project_device(
    member: ConsentDevice, *, start: datetime, until: datetime
) -> tuple[polars.DataFrame, dict[int, int]]:
    """Return one device's rows with start <= time < until, and the number of readings per batch sequence in them.

    start and until lie on bucket borders.
    """
    consent = member.consent
    readings = read_readings(member.device, names=consent.fields, start=start, until=until)
    sequences = dict(readings.group_by("sequence").len().iter_rows())
    return project(readings, consent, member.pseudonym), sequences


def project(readings: polars.DataFrame, consent: Consent, pseudonym: str) -> polars.DataFrame:
    value = polars.col("value")
    is_raw = consent.resolution == Resolution.RAW
    time = polars.col("time")
    if not is_raw:
        time = time.dt.truncate(f"{WIDTH_SECONDS[Resolution(consent.resolution)]}s")
    columns = []
    for field, name in column_names(consent.fields).items():
        values = value.filter(polars.col("name") == field)
        columns.append((values.last() if is_raw else values.mean()).alias(name))
    rows = readings.sort("sequence").group_by(time.alias(TIME)).agg(columns)
    return rows.select(TIME, polars.lit(pseudonym).alias(DEVICE), *column_names(consent.fields).values()).sort(TIME)


def _step_seconds(consent: Consent) -> int:
    width = WIDTH_SECONDS.get(Resolution(consent.resolution), 0)
    if consent.delay_seconds == 0:
        return width
    # Every step is a multiple of every width below it, so a step's border is a bucket's border as well.
    step = 60 if consent.delay_seconds < _HOUR else 900 if consent.delay_seconds < _DAY else _HOUR
    return max(step, width)
