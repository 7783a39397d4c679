"""Empty the tables between transactional tests, past the triggers that make some of them append-only.

Only the test run's owner connection may do this; the triggers stand during every test. Rows that migrations wrote
(content types, the log's head) are put back, so that each test begins with what a fresh installation has.
"""

from collections.abc import Sequence
from typing import Any

from django.core.management.commands import flush
from django.db import connection, transaction
from django.db.backends.base.operations import BaseDatabaseOperations

_KEPT = "kept_rows"
# Internal triggers are the foreign keys' own: they stay on.
_USER_TRIGGERS = """
    SELECT pg_class.relname, tgname
    FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE NOT tgisinternal AND nspname = 'public' AND tgenabled <> 'D'
"""


def keep_rows() -> None:
    """Copy every row that the migrations wrote into a schema of its own. Call once, after the test database is made."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {_KEPT} CASCADE")
        cursor.execute(f"CREATE SCHEMA {_KEPT}")
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT EXISTS (SELECT 1 FROM public."{table}")')
            if table != "django_migrations" and cursor.fetchone() == (True,):
                cursor.execute(f'CREATE TABLE {_KEPT}."{table}" AS TABLE public."{table}"')


def execute_flush(operations: BaseDatabaseOperations, sql_list: Sequence[str]) -> None:
    """Replace Django's execute_sql_flush: the same statements between switching the triggers off and on."""
    with transaction.atomic(using=operations.connection.alias), operations.connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE NONE")
        cursor.execute(_USER_TRIGGERS)
        triggers = cursor.fetchall()
        for table, name in triggers:
            cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER "{name}"')
        for sql in sql_list:
            cursor.execute(sql)
        _put_back(cursor)
        # A table with waiting constraint checks cannot be altered.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        # All of ours are, also those that a test which tampers has left weaker.
        for table, name in triggers:
            cursor.execute(f'ALTER TABLE "{table}" ENABLE ALWAYS TRIGGER "{name}"')


def _put_back(cursor: Any) -> None:
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [_KEPT])
    for (table,) in cursor.fetchall():
        cursor.execute(
            "SELECT quote_ident(attname), attidentity <> '' FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            [f'public."{table}"'],
        )
        found = cursor.fetchall()
        columns = ", ".join(name for name, _ in found)
        cursor.execute(
            f'INSERT INTO public."{table}" ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {_KEPT}."{table}"'
        )
        # The flush may have set the counters back to 1.
        for name in (name for name, is_counted in found if is_counted):
            cursor.execute(
                f'SELECT setval(pg_get_serial_sequence(%s, %s), max({name})) FROM public."{table}"',
                [f'public."{table}"', name.strip('"')],
            )


def skip_post_migrate(*_: object, **__: object) -> None:
    """Content types and permissions come back with the kept rows; making them twice would clash."""


def install() -> None:
    """Make Django's flush, which ends each transactional test, use the functions above."""
    type(connection.ops).execute_sql_flush = execute_flush  # type: ignore[assignment,method-assign]  # On purpose.
    flush.emit_post_migrate_signal = skip_post_migrate  # type: ignore[attr-defined]  # On purpose.
