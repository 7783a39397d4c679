"""The rows that every token check reads, joined by one statement that is prepared once for each connection.

Through the ORM, composing the statement and planning its seven joins take several times as long as running it.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from django.db import connection, models
from psycopg import Cursor, sql

from marketplace.access.models import AccessToken
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.listings.models import Listing, Plan
from marketplace.purchases.models import Purchase

FoundBy = Literal["id", "public_id", "application_id", "token_hash"]


@dataclass(frozen=True)
class _Table:
    """A table under the name that it has in the statement: what a foreign key of another one there leads to."""

    name: str
    model: type[models.Model]
    pointed_at_by: str = ""
    key: str = ""

    @property
    def fields(self) -> "list[models.Field[Any, Any]]":
        return list(self.model._meta.concrete_fields)


_TOKEN = _Table("token", AccessToken)
_JOINED = (
    _Table("family", AccessToken, "token", "family"),
    _Table("purchase", Purchase, "token", "purchase"),
    _Table("buyer", User, "purchase", "buyer"),
    _Table("plan", Plan, "purchase", "plan"),
    _Table("listing", Listing, "purchase", "listing"),
    _Table("consent", Consent, "listing", "consent"),
)


def token_rows(found_by: FoundBy, values: Collection[Any]) -> Iterator[AccessToken]:
    """The tokens of which the column has one of the values, each with the first of its family, its purchase, and of
    that the buyer, the plan, the listing and its consent."""
    with connection.cursor() as cursor, connection.wrap_database_errors:
        connection.validate_no_broken_transaction()
        raw = cursor.connection
        # Django has none prepared by itself.
        raw.prepare_threshold = raw.prepare_threshold or 5
        found = Cursor(raw).execute(_statement(found_by), [list(values)], prepare=True).fetchall()
    return map(_token_of, found)


@cache
def _statement(found_by: FoundBy) -> bytes:
    columns = [sql.Identifier(table.name, str(field.column)) for table in (_TOKEN, *_JOINED) for field in table.fields]
    joins = [
        sql.SQL("LEFT JOIN {} AS {} ON {} = {}").format(
            sql.Identifier(table.model._meta.db_table),
            sql.Identifier(table.name),
            sql.Identifier(table.name, "id"),
            sql.Identifier(table.pointed_at_by, f"{table.key}_id"),
        )
        for table in _JOINED
    ]
    statement = sql.SQL("SELECT {} FROM {} AS {} {} WHERE {} = ANY(%s)").format(
        sql.SQL(", ").join(columns),
        sql.Identifier(AccessToken._meta.db_table),
        sql.Identifier(_TOKEN.name),
        sql.SQL(" ").join(joins),
        sql.Identifier(_TOKEN.name, found_by),
    )
    return statement.as_bytes()


@cache
def _readers() -> list[tuple[_Table, slice, list[str], list[tuple[int, Callable[..., Any], Any]]]]:
    """Of each table its part of a row, the names of its columns' attributes, and what makes values of some of them."""
    readers, start = [], 0
    for table in (_TOKEN, *_JOINED):
        makers = [
            (number, maker, field.cached_col)
            for number, field in enumerate(table.fields)
            for maker in field.get_db_converters(connection)
        ]
        part = slice(start, start + len(table.fields))
        readers.append((table, part, [field.attname for field in table.fields], makers))
        start = part.stop
    return readers


def _token_of(row: tuple[Any, ...]) -> AccessToken:
    rows: dict[str, Any] = {}
    for table, part, names, makers in _readers():
        values = list(row[part])
        for number, make, column in makers:
            values[number] = make(values[number], column, connection)
        rows[table.name] = None if values[0] is None else table.model.from_db(connection.alias, names, values)
        if table.pointed_at_by:
            setattr(rows[table.pointed_at_by], table.key, rows[table.name])
    token: AccessToken = rows[_TOKEN.name]
    return token
