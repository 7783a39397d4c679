"""Readings as polars frames: of a stored batch, of a Parquet file, and of several merged."""

from collections.abc import Sequence

import polars as pl

from devices.envelope import SENML_CBOR, open_envelope
from devices.models import Batch
from devices.senml import resolve_pack

SCHEMA = pl.Schema(
    {
        "name": pl.String(),
        "time": pl.Datetime("us", "UTC"),
        "value": pl.Float64(),
        "unit": pl.String(),
        "sequence": pl.Int64(),
    }
)


def batch_frame(batch: Batch) -> pl.DataFrame:
    """Return the readings of a stored batch. It was checked before it was stored."""
    opened = open_envelope(batch.original_envelope)
    is_cbor = opened.content_type == SENML_CBOR
    pack = resolve_pack(opened.payload, is_cbor=is_cbor, issued_at=opened.issued_at)
    return pl.DataFrame(
        {
            "name": pack.names,
            "time": pl.from_numpy(pack.times, schema=["time"])["time"].cast(SCHEMA["time"]),
            "value": pack.values,
            "unit": pack.units,
            "sequence": pl.repeat(batch.sequence, len(pack.names), dtype=pl.Int64, eager=True),
        },
        schema=SCHEMA,
    )


def merge_frames(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return all readings sorted by name and time. Of several for one moment, the highest sequence counts."""
    if not frames:
        return pl.DataFrame(schema=SCHEMA)
    together = pl.concat(frames).sort("name", "time", "sequence", maintain_order=True)
    return together.unique(["name", "time"], keep="last", maintain_order=True)
