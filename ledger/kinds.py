"""Which kinds of records there are, without reading every row for the few there are."""

from django.db import connection

# Jumps from one kind to the next in the index.
_KINDS = """
    WITH RECURSIVE kinds (kind) AS (
        (SELECT kind FROM {table} ORDER BY kind LIMIT 1)
        UNION ALL
        SELECT (SELECT kind FROM {table} WHERE kind > kinds.kind ORDER BY kind LIMIT 1)
        FROM kinds WHERE kinds.kind IS NOT NULL
    )
    SELECT kind FROM kinds WHERE kind IS NOT NULL
"""


def kinds_in(table: str) -> list[str]:
    """table: the name of one of the ledger's own tables with an index that begins with kind."""
    with connection.cursor() as cursor:
        cursor.execute(_KINDS.format(table=connection.ops.quote_name(table)))
        return [kind for (kind,) in cursor.fetchall()]
