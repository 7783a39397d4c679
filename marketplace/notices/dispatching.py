"""Decide what becomes of new notices: whether each is mailed, and which webhooks it goes to. No network."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from marketplace.notices.kinds import ALWAYS_MAILED

_BATCH = 500
# A letter about what the inbox has shown for a week would only confuse; what must be told is told late, too.
STALE_AFTER = timedelta(days=7)

# Two dispatchers take different rows; one that dies leaves its rows to the next.
_DISPATCH = """
    WITH chosen AS (
        SELECT id, user_id, kind, at FROM notices_notice
        WHERE dispatched_at IS NULL ORDER BY id LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    ), decided AS (
        SELECT chosen.id,
            kind = ANY (%(always)s) OR (chosen.at > %(stale)s AND NOT EXISTS (
                SELECT FROM notices_mutedmail muted WHERE muted.user_id = chosen.user_id AND muted.kind = chosen.kind
            )) AS is_wanted,
            EXISTS (
                SELECT FROM account_emailaddress address
                WHERE address.user_id = chosen.user_id AND address.verified AND address.primary
            ) AND accounts_user.is_active AS is_reachable
        FROM chosen JOIN accounts_user ON accounts_user.id = chosen.user_id
    ), done AS (
        UPDATE notices_notice SET dispatched_at = %(at)s,
            mail_state = CASE WHEN is_wanted AND is_reachable THEN 'waiting' ELSE 'off' END,
            mail_due_at = CASE WHEN is_wanted AND is_reachable THEN %(at)s::timestamptz END
        FROM decided WHERE decided.id = notices_notice.id
        RETURNING notices_notice.id, user_id, kind, notices_notice.at
    ), fanned AS (
        INSERT INTO notices_webhookdelivery (endpoint_id, notice_id, created_at, due_at)
        SELECT endpoint.id, done.id, %(at)s, %(at)s
        FROM done JOIN notices_webhookendpoint endpoint
            ON endpoint.user_id = done.user_id AND disabled_at IS NULL AND done.kind = ANY (endpoint.kinds)
        WHERE done.at > %(stale)s
        ORDER BY done.id
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM fanned)
"""
# Whoever told an account while it was being erased.
_FORGET = """
    DELETE FROM notices_notice USING accounts_user
    WHERE accounts_user.id = user_id AND dispatched_at IS NULL AND erased_at IS NOT NULL
"""


def dispatch_notices(*, at: datetime) -> int:
    """Dispatch what waits, each notice once. Returns how many."""
    done = 0
    with connection.cursor() as cursor:
        cursor.execute(_FORGET)
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                _DISPATCH,
                {"batch": _BATCH, "always": sorted(ALWAYS_MAILED), "stale": at - STALE_AFTER, "at": at},
            )
            count, _ = cursor.fetchone()
        done += count
        if count < _BATCH:
            return done
