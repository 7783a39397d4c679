"""What is new in a listing's projection since a reader's place in it.

Without delay and averages that is what the new batches brought. Where readings are held back it is what has become due,
and what came late for a time that was due before: of averages, those buckets anew.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson
import polars

from devices.arrivals import batches_since, current_horizon, unseen_sequences
from devices.horizons import Horizon
from devices.models import Batch
from devices.readings import read_batches, read_readings
from marketplace.access.services import Grant
from marketplace.consents.models import Consent, ConsentDevice, Resolution
from marketplace.delivery.errors import PositionUnknown
from marketplace.delivery.live.events import readings
from marketplace.delivery.live.positions import Position
from marketplace.delivery.tables.projection import DEVICE, TIME, WIDTH_SECONDS, column_names, due_until, project

# About so many readings make one event, unless one upload alone brings more.
MOST_READINGS = 5_000


@dataclass(frozen=True, slots=True)
class View:
    """What of a listing's rows a reader gets. Readers with the same view share the bytes."""

    fields: tuple[str, ...]
    window_from: datetime | None
    window_until: datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """before, after: the event around the stream's own name; place: that of a reader who has it."""

    before: bytes
    after: bytes
    row_count: int
    byte_count: int
    place: str


@dataclass(frozen=True, slots=True)
class Step:
    """From one place to the next: the pieces, by view, of those who get any. is_whole: nothing more waits behind."""

    position: Position
    is_whole: bool
    pieces: dict[View, Piece]


def view_of(grant: Grant) -> View:
    return View(grant.fields, grant.window_from, grant.window_until)


def columns_of(grant: Grant) -> list[str]:
    names = column_names(grant.consent.fields)
    return [TIME, DEVICE, *(name for field, name in names.items() if field in grant.fields)]


def newest_position(consent: Consent, at: datetime) -> Position:
    return Position(current_horizon(), due_until(consent, at))


def check_position(position: Position, at: datetime) -> None:
    """Raises PositionUnknown for a place that nobody can have come to yet."""
    is_due_later = position.due is not None and position.due > at
    if is_due_later or position.horizon.end > current_horizon().end:
        raise PositionUnknown


def next_step(
    consent: Consent, members: Sequence[ConsentDevice], position: Position, views: Collection[View], at: datetime
) -> Step:
    """Return what follows on a position: as many queries however many readers are there."""
    device_ids = [member.device_id for member in members]
    arrivals = batches_since(position.horizon, device_ids=device_ids, most_readings=MOST_READINGS)
    batches: dict[int, list[Batch]] = defaultdict(list)
    for batch in arrivals.batches:
        batches[batch.device_id].append(batch)
    sending = [(member, batches.get(member.device_id, [])) for member in members]
    due = due_until(consent, at)
    if due is None:
        frames = [_brought(member, own, consent) for member, own in sending if own]
        place, is_whole = Position(arrivals.horizon, None), arrivals.is_whole
    else:
        since, until = _due_span(consent, position.due or due, due)
        frames = [_became_due(member, own, arrivals.horizon, since, until) for member, own in sending]
        place, is_whole = Position(arrivals.horizon, until), arrivals.is_whole and until >= due
    rows = _together(frames)
    pieces = {view: _piece(rows, consent, view, place.text(), at) for view in views} if rows is not None else {}
    return Step(place, is_whole, {view: piece for view, piece in pieces.items() if piece is not None})


def _due_span(consent: Consent, since: datetime, due: datetime) -> tuple[datetime, datetime]:
    """From when until when rows have become due since a position, at most to the end of a day at a time."""
    width = WIDTH_SECONDS.get(Resolution(consent.resolution), 1)
    # A consent that was made coarser has other borders than the position.
    since = datetime.fromtimestamp(since.timestamp() // width * width, UTC)
    end_of_day = since.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return since, max(since, min(due, end_of_day))


def _brought(member: ConsentDevice, batches: Sequence[Batch], consent: Consent) -> polars.DataFrame:
    return project(read_batches(member.device, batches, names=consent.fields), consent, member.pseudonym)


def _became_due(
    member: ConsentDevice, batches: Sequence[Batch], horizon: Horizon, since: datetime, until: datetime
) -> polars.DataFrame:
    consent, device = member.consent, member.device
    late = [batch for batch in batches if batch.first_reading_at < since]
    readings = read_batches(device, late, names=consent.fields).filter(polars.col("time") < since)
    if consent.resolution == Resolution.RAW:
        due = _seen_readings(member, horizon, since, until) if since < until else readings.clear()
        return project(polars.concat([readings, due]), consent, member.pseudonym)
    width = f"{WIDTH_SECONDS[Resolution(consent.resolution)]}s"
    buckets = readings["time"].dt.truncate(width).unique()
    start = min([since, *buckets.to_list()])
    if start >= until:
        return project(readings.clear(), consent, member.pseudonym)
    bucket = polars.col("time").dt.truncate(width)
    found = _seen_readings(member, horizon, start, until)
    found = found.filter((polars.col("time") >= since) | bucket.is_in(buckets.implode()))
    return project(found, consent, member.pseudonym)


def _seen_readings(member: ConsentDevice, horizon: Horizon, start: datetime, until: datetime) -> polars.DataFrame:
    """Readings of a span, without those that came after the horizon: they are late for the next step."""
    readings = read_readings(member.device, names=member.consent.fields, start=start, until=until)
    unseen = unseen_sequences(horizon, device_id=member.device_id)
    return readings.filter(~polars.col("sequence").is_in(unseen)) if unseen else readings


def _together(frames: Sequence[polars.DataFrame]) -> polars.DataFrame | None:
    filled = [frame for frame in frames if frame.height]
    return polars.concat(filled).sort(TIME, DEVICE) if filled else None


def _piece(rows: polars.DataFrame, consent: Consent, view: View, place: str, at: datetime) -> Piece | None:
    columns = [name for field, name in column_names(consent.fields).items() if field in view.fields]
    if not columns:
        return None
    is_inside = polars.col(TIME) < view.window_until
    if view.window_from is not None:
        is_inside &= polars.col(TIME) >= view.window_from
    has_value = polars.any_horizontal(polars.col(columns).is_not_null())
    chosen = rows.select(TIME, DEVICE, *columns).filter(is_inside & has_value)
    if chosen.is_empty():
        return None
    texts = chosen.with_columns(polars.col(TIME).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"))
    rows_json = orjson.dumps(texts.to_dicts())
    before, after = readings(position=place, rows_json=rows_json, at=at)
    return Piece(before, after, chosen.height, len(rows_json), place)
