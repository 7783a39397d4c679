"""In which order batches became visible: what live readers go on from.

Each batch carries the number of the transaction that brought it, made by the database function `devices_arrival`:
the epoch times 2^40 plus PostgreSQL's own number. Transaction numbers begin anew in another cluster and go back when
one is restored to an earlier moment, so `migrate`, which runs before anything else after a restore, begins a new epoch
there: numbers only ever grow, and who has a place from before still finds everything that came after it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction

from devices.horizons import Horizon
from devices.models import Batch

_EPOCH_BITS = 40
_FIRST_BATCHES = 200

_NOW = """
    SELECT devices_arrival(pg_snapshot_xmax(now)),
           ARRAY(SELECT devices_arrival(one) FROM pg_snapshot_xip(now) AS one ORDER BY 1)
    FROM pg_current_snapshot() AS now
"""
# One statement has one snapshot: what it finds is what the horizon that it returns has seen.
_SINCE = """
    SELECT devices_arrival(pg_snapshot_xmax(now)),
           ARRAY(SELECT devices_arrival(one) FROM pg_snapshot_xip(now) AS one ORDER BY 1),
           batch.id, batch.arrival, batch.reading_count
    FROM pg_current_snapshot() AS now
    LEFT JOIN (
        SELECT id, arrival, reading_count FROM devices_batch
        WHERE device_id = ANY(%(devices)s) AND arrival >= %(first_open)s
            AND (arrival >= %(end)s OR arrival = ANY(%(open)s))
        ORDER BY arrival
        FETCH FIRST %(most)s ROWS WITH TIES
    ) AS batch ON true
"""
_CLUSTER = """
    SELECT system_identifier || '/' || timeline_id, obj_description('devices_arrival(xid8)'::regprocedure, 'pg_proc')
    FROM pg_control_system(), pg_control_checkpoint()
"""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """New batches in order of arrival. horizon: what is seen with them. is_whole: whether these are all there are."""

    batches: list[Batch]
    horizon: Horizon
    is_whole: bool


def current_horizon() -> Horizon:
    with connection.cursor() as cursor:
        cursor.execute(_NOW)
        end, open_numbers = cursor.fetchone()
    return Horizon(end, tuple(open_numbers))


def batches_since(horizon: Horizon, *, device_ids: Sequence[int], most_readings: int) -> Arrivals:
    """Return the batches of devices that a horizon has not seen, the first of them when there are many.

    Two queries, whatever there is. Batches of one transaction stay together, so there may be more readings than asked.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _SINCE,
            {
                "devices": list(device_ids),
                "first_open": horizon.first_open,
                "end": horizon.end,
                "open": list(horizon.open),
                "most": _FIRST_BATCHES,
            },
        )
        rows = cursor.fetchall()
    now = Horizon(rows[0][0], tuple(rows[0][1]))
    found = sorted((arrival, pk, count) for _, _, pk, arrival, count in rows if pk is not None)
    if not found:
        return Arrivals([], now, is_whole=True)
    chosen, last = _first(found, most_readings)
    is_whole = len(chosen) == len(found) and len(found) < _FIRST_BATCHES
    by_pk = Batch.objects.in_bulk(chosen)
    # Who erased his account in this moment left nothing to deliver.
    batches = [by_pk[pk] for pk in chosen if pk in by_pk]
    return Arrivals(batches, now if is_whole else horizon.up_to(last, now), is_whole)


def unseen_sequences(horizon: Horizon, *, device_id: int) -> list[int]:
    """Return the sequence numbers of a device's batches that came after a horizon."""
    later = Batch.objects.filter(device=device_id, arrival__gte=horizon.first_open)
    return [sequence for sequence, arrival in later.values_list("sequence", "arrival") if not horizon.has_seen(arrival)]


def begin_epoch(sender: AppConfig, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """After each migrate: begin a new epoch when this is another cluster than before, or one that was restored."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT to_regprocedure('devices_arrival(xid8)')")
        if cursor.fetchone() == (None,):
            return
        cursor.execute(_CLUSTER)
        cluster, comment = cursor.fetchone()
        found = re.fullmatch(r"epoch (\d+) of (.+)", comment or "")
        if found and found[2] == cluster:
            return
        # A fresh installation is in its first epoch, which only has no name yet.
        epoch = int(found[1]) + 1 if found else 1
        # No upload is under way while the function changes.
        cursor.execute("LOCK TABLE devices_batch IN ACCESS EXCLUSIVE MODE")
        cursor.execute(arrival_function(epoch))
        cursor.execute(f"COMMENT ON FUNCTION devices_arrival(xid8) IS 'epoch {epoch} of {cluster}'")


def arrival_function(epoch: int) -> str:
    return (
        "CREATE OR REPLACE FUNCTION devices_arrival(xid8) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE "
        f"AS 'SELECT $1::text::bigint + {epoch << _EPOCH_BITS}'"
    )


def _first(found: list[tuple[int, int, int]], most_readings: int) -> tuple[list[int], int]:
    """Return the keys of the first whole transactions that hold about so many readings, and the last one's number."""
    chosen: list[int] = []
    last, readings = found[0][0], 0
    for arrival, pk, count in found:
        if arrival != last and readings >= most_readings:
            break
        chosen.append(pk)
        last, readings = arrival, readings + count
    return chosen, last
