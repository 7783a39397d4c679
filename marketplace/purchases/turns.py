from django.db import connection


def wait_for(name: str) -> None:
    """Let transactions that wait for the same name go one after another."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
