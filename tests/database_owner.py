"""Which database role a test has: the application's, unless it says that it does what only the owner can.

Every connection logs in as the owner and then takes the application's role, so each statement is held to that role's
rights. tests/ledger/test_roles.py logs in as the application itself.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.conf import settings
from django.db import connection
from psycopg.pq import TransactionStatus
from pytest_django.plugin import DjangoDbBlocker

ONE_ROLE = "MIGRATION_DATABASE_URL names no owner of the tables, so the application's role owns them."


@contextmanager
def application_rights(blocker: DjangoDbBlocker) -> Iterator[None]:
    """For the whole run, in each thread. Without a second role everything is done as the owner."""
    if settings.DATABASE_OWNER:
        # Not Django's assume_role, which waits for ever where connections are pooled.
        connection.settings_dict["OPTIONS"]["options"] = f"-c role={settings.APPLICATION_ROLE['user']}"
    _drop_connections(blocker)
    yield
    connection.settings_dict["OPTIONS"].pop("options", None)
    _drop_connections(blocker)


def demand_two_roles() -> None:
    """Skip where the application's role owns the tables itself; with REQUIRE_TWO_ROLES=1 that is a failure."""
    if settings.DATABASE_OWNER:
        return
    if os.environ.get("REQUIRE_TWO_ROLES", "") in {"1", "true", "yes"}:
        pytest.fail(ONE_ROLE)
    pytest.skip(ONE_ROLE)


def _drop_connections(blocker: DjangoDbBlocker) -> None:
    """Those that are open have another role."""
    with blocker.unblock():
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it.


@contextmanager
def owner_rights() -> Iterator[None]:
    """What the owner of the database, or a thief of his password, can do: switch triggers off, make tables, tamper."""
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE NONE")
    try:
        yield
    finally:
        # After an error the transaction takes no statement, and its end brings the role back.
        if connection.connection.info.transaction_status != TransactionStatus.INERROR:
            with connection.cursor() as cursor:
                cursor.execute("RESET ROLE")
