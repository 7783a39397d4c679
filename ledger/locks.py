"""One process at a time does a job, elected by a lock of its PostgreSQL session."""

from collections.abc import Generator
from contextlib import contextmanager

from django.db import connection

# The numbers only have to differ from other advisory locks of this database.
SEQUENCING = 0x0106_1ED6
GATHERING = 0x0106_C051
AUDITING = 0x0106_A0D1


@contextmanager
def elected_by(number: int) -> Generator[bool]:
    """Hold the lock and give True, or give False at once when another session holds it. No transaction stays open."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
        is_elected = cursor.fetchone() == (True,)
    try:
        yield is_elected
    finally:
        if is_elected:
            _resign(number)


def _resign(number: int) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
    except Exception:
        # A connection that cannot give the lock back must not return to the pool with it.
        connection.close()
        raise
