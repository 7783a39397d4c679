"""How large the log was at given moments, by what was signed then."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection

# One probe of the index for each moment, however many checkpoints there are.
_SIZES = """
    SELECT coalesce(newest.size, 0)
    FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS moment (at, place)
    LEFT JOIN LATERAL (
        SELECT size FROM ledger_checkpoint WHERE signed_at <= moment.at ORDER BY signed_at DESC, size DESC LIMIT 1
    ) newest ON TRUE
    ORDER BY moment.place
"""


def sizes_at(moments: Sequence[datetime]) -> list[int]:
    """Return the size that the newest checkpoint had at each of these moments, 0 before the first one."""
    with connection.cursor() as cursor:
        cursor.execute(_SIZES, [list(moments)])
        return [size for (size,) in cursor.fetchall()]
