"""The lock between those who rely on a consent and those who end what stands on it.

Advisory locks, because they queue: PostgreSQL lets new FOR SHARE lockers of a row pass a waiting FOR UPDATE, so a
stream of buyers could put a withdrawal off for ever. Here whoever comes after a waiting withdrawal waits behind it.
Take it first of all locks but those on an account and on a request of the buyer's own: a withdrawal holds it while it
locks the purchases whose money it gives back.
"""

from django.db import connection


def rely_on_standing(consent_id: int) -> None:
    """Hold off withdrawals until the running transaction ends. Buyers do not wait for each other."""
    _lock("pg_advisory_xact_lock_shared", consent_id)


def change_standing(consent_id: int) -> None:
    """Wait for the transactions that rely on the consent, and hold off new ones until this one ends."""
    _lock("pg_advisory_xact_lock", consent_id)


def _lock(function: str, consent_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, 0))", [f"standing of consent {consent_id}"])
