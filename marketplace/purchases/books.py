"""The nightly look at the books: what must be true of all money at any moment, asked of the database itself.

Each check is one statement, and so sees one moment. It names what differs, with what should be there and what is.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from marketplace.purchases.models import BooksCheck
from marketplace.wallet.models import Transfer

logger = logging.getLogger(__name__)

MOST_SHOWN = 20


@dataclass(frozen=True)
class Check:
    """sql: rows of what differs, as (subject, expected micros, found micros)."""

    title: str
    sql: str


@dataclass(frozen=True)
class Finding:
    """A check that did not hold. rows: the first of row_count: subject, expected and found, in micros as text."""

    title: str
    row_count: int
    rows: list[list[str]]


_BALANCE = """
    SELECT a.id, a.public_id, a.kind, a.owner_id, a.currency, a.rolled_micros
        + coalesce((SELECT sum(amount_micros) FROM wallet_balancechange WHERE account_id = a.id), 0) AS micros
    FROM wallet_account a
"""
CHECKS = (
    Check(
        "The postings of each transfer sum to zero in one currency",
        """
        SELECT t.public_id, 0, sum(p.amount_micros)
        FROM wallet_transfer t LEFT JOIN wallet_posting p ON p.transfer_id = t.id
        LEFT JOIN wallet_account a ON a.id = p.account_id
        GROUP BY t.id HAVING sum(p.amount_micros) IS DISTINCT FROM 0 OR count(DISTINCT a.currency) <> 1
        """,
    ),
    Check(
        "All postings of a currency sum to zero",
        """
        SELECT a.currency, 0, sum(p.amount_micros) FROM wallet_posting p JOIN wallet_account a ON a.id = p.account_id
        GROUP BY a.currency HAVING sum(p.amount_micros) <> 0
        """,
    ),
    Check(
        "Each kept balance is the sum of its postings",
        f"""
        SELECT b.public_id, coalesce(posted.micros, 0), b.micros FROM ({_BALANCE}) b
        LEFT JOIN (SELECT account_id, sum(amount_micros) AS micros FROM wallet_posting GROUP BY account_id) posted
            ON posted.account_id = b.id
        WHERE b.micros <> coalesce(posted.micros, 0)
        """,  # noqa: S608 - text of our own
    ),
    Check(
        "Only the payment provider’s account is below zero",
        f"SELECT public_id, 0, micros FROM ({_BALANCE}) b WHERE micros < 0 AND kind <> 'provider'",  # noqa: S608 - text of our own
    ),
    Check(
        "What each buyer paid is the price of the purchase",
        """
        SELECT s.public_id, s.price_micros, coalesce(sum(-p.amount_micros), 0)
        FROM purchases_purchase s LEFT JOIN wallet_transfer t ON t.id = s.transfer_id AND t.reference = s.public_id
        LEFT JOIN wallet_account a ON a.owner_id = s.buyer_id AND a.kind = 'wallet' AND a.currency = s.currency
        LEFT JOIN wallet_posting p ON p.transfer_id = t.id AND p.account_id = a.id
        GROUP BY s.id HAVING s.price_micros <> coalesce(sum(-p.amount_micros), 0)
        """,
    ),
    Check(
        "Each payment for a purchase has its purchase",
        """
        SELECT t.public_id, 0,
            (SELECT sum(amount_micros) FROM wallet_posting WHERE transfer_id = t.id AND amount_micros > 0)
        FROM wallet_transfer t WHERE t.kind IN ('purchase', 'renewal', 'usage')
            AND NOT EXISTS (SELECT FROM purchases_purchase s WHERE s.transfer_id = t.id)
        """,
    ),
    Check(
        "What is on hold is what purchases hold: price less released less refunded",
        f"""
        SELECT coalesce(b.public_id::text, 'seller ' || held.seller_id), coalesce(held.micros, 0), coalesce(b.micros, 0)
        FROM (SELECT * FROM ({_BALANCE}) every WHERE kind = 'escrow') b
        FULL JOIN (
            SELECT l.seller_id, s.currency, sum(s.price_micros - s.released_micros - s.refunded_micros) AS micros
            FROM purchases_purchase s JOIN listings_listing l ON l.id = s.listing_id GROUP BY 1, 2
        ) held ON held.seller_id = b.owner_id AND held.currency = b.currency
        WHERE coalesce(held.micros, 0) <> coalesce(b.micros, 0)
        """,  # noqa: S608 - text of our own
    ),
    Check(
        "What was refunded is what its refunds moved",
        """
        SELECT s.public_id, s.refunded_micros, coalesce(sum(r.amount_micros), 0)
        FROM purchases_purchase s LEFT JOIN purchases_refund r ON r.purchase_id = s.id
        GROUP BY s.id HAVING s.refunded_micros <> coalesce(sum(r.amount_micros), 0)
        UNION ALL
        SELECT r.public_id, r.amount_micros, coalesce(sum(p.amount_micros), 0)
        FROM purchases_refund r LEFT JOIN wallet_posting p ON p.transfer_id = r.transfer_id AND p.amount_micros > 0
        GROUP BY r.id HAVING r.amount_micros <> coalesce(sum(p.amount_micros), 0)
        """,
    ),
    Check(
        "Each paid top-up brought its amount",
        """
        SELECT u.public_id, u.amount_micros, coalesce(sum(p.amount_micros), 0)
        FROM wallet_topup u LEFT JOIN wallet_posting p ON p.transfer_id = u.transfer_id AND p.amount_micros > 0
        WHERE u.state = 'paid' GROUP BY u.id HAVING u.amount_micros <> coalesce(sum(p.amount_micros), 0)
        """,
    ),
)


def find_differences() -> list[Finding]:
    """Return the checks that do not hold; nothing when the books are right."""
    return [finding for finding in map(_look, CHECKS) if finding is not None]


def check_books(*, at: datetime) -> BooksCheck:
    """Look at all books and keep what was found."""
    findings = find_differences()
    made = BooksCheck.objects.create(
        at=at,
        transfer_count=Transfer.objects.count(),
        finding_count=len(findings),
        findings=[asdict(finding) for finding in findings],
    )
    if findings:
        logger.error("books.differ", extra={"check_id": made.pk, "count": len(findings)})
    return made


def _look(check: Check) -> Finding | None:
    shown = f"SELECT found.*, count(*) OVER () FROM ({check.sql}) AS found LIMIT {MOST_SHOWN}"  # noqa: S608 - text of our own
    with connection.cursor() as cursor:
        cursor.execute(shown)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    if not rows:
        return None
    return Finding(
        check.title, rows[0][3], [[str(subject), str(due), str(is_there)] for subject, due, is_there, _ in rows]
    )
