"""What providers told us beside what we booked: each night, asked of the database, and of the provider what we missed.

Each check names what differs, with what should be there and what is.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from marketplace.wallet.errors import WalletError
from marketplace.wallet.gateway.models import ProviderEvent, Reconciliation
from marketplace.wallet.gateway.receiving import keep_missed_events

logger = logging.getLogger(__name__)

MOST_SHOWN = 20
MISSED_WITHIN = timedelta(days=3)

# title and sql: rows of what differs, as (subject, should be, is). %(at)s is the moment of the look.
CHECKS = (
    (
        "A message does not fit what we asked for",
        """
        SELECT e.provider || ' ' || e.event_id, o.code, coalesce(e.amount_micros::text, '') FROM wallet_eventoutcome o
        JOIN wallet_providerevent e ON e.id = o.event_id
        WHERE o.result = 'alarm' AND o.at > %(at)s - interval '90 days'
        """,
    ),
    (
        "A message from which nothing followed for an hour",
        """
        SELECT e.provider || ' ' || e.event_id, e.kind, '' FROM wallet_providerevent e
        WHERE e.received_at < %(at)s - interval '1 hour'
            AND NOT EXISTS (SELECT FROM wallet_eventoutcome o WHERE o.event_id = e.id)
        """,
    ),
    (
        "Told that a top-up is paid, and no posting of that amount",
        """
        SELECT u.public_id, e.amount_micros, coalesce(sum(p.amount_micros), 0)
        FROM wallet_providerevent e
        JOIN wallet_eventoutcome o ON o.event_id = e.id AND o.result <> 'alarm'
        JOIN wallet_topup u ON u.public_id = e.reference AND u.provider = e.provider
        LEFT JOIN wallet_posting p ON p.transfer_id = u.transfer_id AND p.amount_micros > 0
        WHERE e.kind = 'paid' GROUP BY u.id, e.id
        HAVING e.amount_micros IS DISTINCT FROM coalesce(sum(p.amount_micros), 0)
        """,
    ),
    (
        "A top-up is booked, and nobody told us that it is paid",
        """
        SELECT u.public_id, 0, u.amount_micros FROM wallet_topup u
        WHERE u.state = 'paid' AND u.settled_at >= (SELECT min(received_at) FROM wallet_providerevent)
            AND NOT EXISTS (
                SELECT FROM wallet_providerevent e
                WHERE e.reference = u.public_id AND e.provider = u.provider AND e.kind = 'paid'
            )
        """,
    ),
    (
        "A payout is not what left the earnings, less what came back",
        """
        SELECT o.public_id, CASE WHEN o.return_transfer_id IS NULL THEN o.amount_micros ELSE 0 END,
            -coalesce(sum(p.amount_micros), 0)
        FROM wallet_payout o
        LEFT JOIN wallet_posting p ON p.transfer_id IN (o.transfer_id, o.return_transfer_id)
            AND p.account_id IN (SELECT id FROM wallet_account WHERE kind = 'payable' AND owner_id = o.user_id)
        GROUP BY o.id
        HAVING -coalesce(sum(p.amount_micros), 0)
            <> CASE WHEN o.return_transfer_id IS NULL THEN o.amount_micros ELSE 0 END
        """,
    ),
    (
        "A payout is paid, and nobody told us so",
        """
        SELECT o.public_id, 0, o.amount_micros FROM wallet_payout o WHERE o.state = 'paid' AND NOT EXISTS (
            SELECT FROM wallet_providerevent e
            WHERE e.reference = o.public_id AND e.kind = 'payout_paid' AND e.amount_micros = o.amount_micros
        )
        """,
    ),
    (
        "A payout is on its way for too long",
        """
        SELECT public_id, state, amount_micros FROM wallet_payout
        WHERE (state = 'requested' AND requested_at < %(at)s - interval '1 day')
            OR (state = 'sent' AND sent_at < %(at)s - interval '7 days')
            OR (state = 'failed' AND return_transfer_id IS NULL AND settled_at < %(at)s - interval '1 day')
        """,
    ),
    (
        "What was paid back is not what left the wallet, less what came back",
        """
        SELECT r.public_id, CASE WHEN r.return_transfer_id IS NULL THEN r.amount_micros ELSE 0 END,
            -coalesce(sum(p.amount_micros), 0)
        FROM wallet_cardrefund r
        LEFT JOIN wallet_posting p ON p.transfer_id IN (r.transfer_id, r.return_transfer_id)
            AND p.account_id IN (SELECT id FROM wallet_account WHERE kind = 'wallet' AND owner_id = r.user_id)
        GROUP BY r.id
        HAVING -coalesce(sum(p.amount_micros), 0)
            <> CASE WHEN r.return_transfer_id IS NULL THEN r.amount_micros ELSE 0 END
        """,
    ),
    (
        "Something is paid back, and nobody told us so",
        """
        SELECT r.public_id, 0, r.amount_micros FROM wallet_cardrefund r WHERE r.state = 'paid' AND NOT EXISTS (
            SELECT FROM wallet_providerevent e
            WHERE e.reference = r.public_id AND e.kind = 'refunded' AND e.amount_micros = r.amount_micros
        )
        """,
    ),
    (
        "More went back than a top-up brought",
        """
        SELECT u.public_id, u.amount_micros, coalesce(r.micros, 0) + coalesce(c.micros, 0) FROM wallet_topup u
        LEFT JOIN (SELECT top_up_id, sum(amount_micros) AS micros FROM wallet_cardrefund
            WHERE state IN ('sent', 'paid') GROUP BY 1) r ON r.top_up_id = u.id
        LEFT JOIN (SELECT top_up_id, sum(amount_micros) AS micros FROM wallet_chargeback
            WHERE state <> 'won' GROUP BY 1) c ON c.top_up_id = u.id
        WHERE coalesce(r.micros, 0) + coalesce(c.micros, 0) > u.amount_micros
        """,
    ),
    (
        "A payment back is on its way for too long",
        """
        SELECT public_id, state, amount_micros FROM wallet_cardrefund
        WHERE (state = 'requested' AND requested_at < %(at)s - interval '1 day')
            OR (state = 'sent' AND sent_at < %(at)s - interval '14 days')
        """,
    ),
    (
        "A chargeback is not what left the wallet",
        """
        SELECT c.public_id, CASE WHEN c.state = 'won' THEN 0 ELSE c.taken_micros END, coalesce(sum(p.amount_micros), 0)
        FROM wallet_chargeback c
        LEFT JOIN wallet_transfer t ON t.reference = c.public_id AND t.kind = 'chargeback'
        LEFT JOIN wallet_posting p ON p.transfer_id = t.id
            AND p.account_id IN (SELECT id FROM wallet_account WHERE kind = 'provider')
        GROUP BY c.id
        HAVING coalesce(sum(p.amount_micros), 0) <> CASE WHEN c.state = 'won' THEN 0 ELSE c.taken_micros END
        """,
    ),
    (
        "The provider’s account is not top-ups less payouts, what was paid back and chargebacks",
        """
        SELECT a.currency, due.micros, held.micros FROM wallet_account a
        CROSS JOIN LATERAL (
            SELECT -coalesce(sum(amount_micros), 0) AS micros FROM wallet_posting WHERE account_id = a.id
        ) held
        CROSS JOIN LATERAL (
            SELECT coalesce((SELECT sum(amount_micros) FROM wallet_topup
                    WHERE state = 'paid' AND currency = a.currency), 0)
                - coalesce((SELECT sum(amount_micros) FROM wallet_payout
                    WHERE return_transfer_id IS NULL AND currency = a.currency), 0)
                - coalesce((SELECT sum(amount_micros) FROM wallet_cardrefund
                    WHERE return_transfer_id IS NULL AND currency = a.currency), 0)
                - coalesce((SELECT sum(taken_micros) FROM wallet_chargeback
                    WHERE state <> 'won' AND currency = a.currency), 0) AS micros
        ) due
        WHERE a.kind = 'provider' AND held.micros <> due.micros
        """,
    ),
    (
        "A chargeback is not covered by the wallet yet",
        """
        SELECT public_id, amount_micros, taken_micros FROM wallet_chargeback
        WHERE state <> 'won' AND taken_micros < amount_micros
        """,
    ),
)


def reconcile(*, at: datetime) -> Reconciliation:
    """Ask the provider for what we missed, compare, and keep what differs."""
    try:
        missed = keep_missed_events(provider=settings.PAYMENT_PROVIDER, since=at - MISSED_WITHIN, at=at)
    except WalletError as error:
        missed = 0
        logger.warning("reconciliation.provider_silent", extra={"code": error.code})
    findings = [finding for title, sql in CHECKS if (finding := _look(title, sql, at))]
    made = Reconciliation.objects.create(
        at=at,
        event_count=ProviderEvent.objects.count(),
        missed_count=missed,
        finding_count=len(findings),
        findings=findings,
    )
    if findings:
        logger.error("reconciliation.differs", extra={"reconciliation_id": made.pk, "count": len(findings)})
    return made


def _look(title: str, sql: str, at: datetime) -> dict[str, Any] | None:
    shown = f"SELECT found.*, count(*) OVER () FROM ({sql}) AS found LIMIT {MOST_SHOWN}"  # noqa: S608 - text of our own
    with connection.cursor() as cursor:
        cursor.execute(shown, {"at": at})
        rows = cursor.fetchall()
    if not rows:
        return None
    shown_rows = [[str(value) for value in row[:3]] for row in rows]
    return {"title": title, "row_count": rows[0][3], "rows": shown_rows}
