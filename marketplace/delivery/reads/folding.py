"""Put the reads of a live stream together, minute by minute: each piece is counted before it is sent, ten a second.

What is shown, billed and summed up stays the same to the row; without it a day of one reader would be a million reads.
"""

from datetime import datetime, timedelta

from django.db import connection, transaction

from marketplace.delivery.models import Read
from marketplace.purchases.models import Purchase

# A piece that is being counted now is written long before.
_REST = timedelta(seconds=90)
_LOOK_BACK = timedelta(hours=1)
# The first read of a minute takes in the others.
_FOLD = """
    WITH live AS (
        SELECT id, first_value(id) OVER (
            PARTITION BY token_id, date_bin('1 minute', at, 'epoch') ORDER BY at, id
        ) AS first_id
        FROM delivery_read
        WHERE purchase_id = %s AND door = 'live' AND summary_id IS NULL AND at < %s
    ), gone AS (
        DELETE FROM delivery_read AS read USING live WHERE read.id = live.id AND live.id <> live.first_id
        RETURNING live.first_id, read.row_count, read.byte_count
    ), more AS (
        SELECT first_id, sum(row_count) AS row_count, sum(byte_count) AS byte_count, count(*)
        FROM gone GROUP BY first_id
    ), grown AS (
        UPDATE delivery_read AS read
        SET row_count = read.row_count + more.row_count, byte_count = read.byte_count + more.byte_count
        FROM more WHERE read.id = more.first_id
    )
    SELECT coalesce(sum(count), 0)::bigint FROM more
"""


def fold_live_reads(*, at: datetime) -> int:
    """Fold what was streamed until shortly before `at`. Returns how many reads went into others. Repeat it freely."""
    recent = Read.objects.filter(door=Read.Door.LIVE, summary=None, at__gte=at - _LOOK_BACK, at__lt=at - _REST)
    purchases = recent.order_by("purchase").values_list("purchase", flat=True).distinct()
    return sum(_fold(pk, at) for pk in list(purchases))


@transaction.atomic
def _fold(purchase_pk: int, at: datetime) -> int:
    # Who sums up the day waits, and so does another who folds.
    Purchase.objects.select_for_update(no_key=True).get(pk=purchase_pk)
    with connection.cursor() as cursor:
        cursor.execute(_FOLD, [purchase_pk, at - _REST])
        return int(cursor.fetchone()[0])
