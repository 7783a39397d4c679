"""The application logs in as itself and tries all ways round to change what only grows. See marketplace/rights.py."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.errors import InsufficientPrivilege

from ledger.services import sequence_batch
from marketplace.rights import APPEND_ONLY, DOORS, EVERYTHING, GROW, NEVER, RIGHTS, excess_of_rights
from marketplace.wallet.services import account_of, balance_micros
from tests.builders_ledger import submit_many
from tests.builders_money import EURO, fill_wallet
from tests.database_owner import demand_two_roles, owner_rights

pytestmark = pytest.mark.django_db(transaction=True)
OWNER = settings.DATABASE_OWNER.get("USER")
APPLICATION = settings.APPLICATION_ROLE["user"]
Session = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="module", autouse=True)
def two_roles() -> None:
    demand_two_roles()


@pytest.fixture
def application() -> Iterator[Session]:
    """A connection that never was anybody else's, as an intruder in the application would have it."""
    named = {"HOST": "host", "PORT": "port", "NAME": "dbname"}
    place = {word: connection.settings_dict[part] for part, word in named.items()}
    where = make_conninfo(**place, user=APPLICATION, password=settings.APPLICATION_ROLE["password"])
    with psycopg.connect(where, autocommit=True) as session:
        yield session


def refused(session: Session, *statements: str) -> None:
    for statement in statements:
        with pytest.raises(InsufficientPrivilege):
            session.execute(statement)


def whole(table: str) -> list[tuple[Any, ...]]:
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute(f"SELECT t::text FROM {table} t ORDER BY 1")
        return cursor.fetchall()


def guards() -> list[tuple[Any, ...]]:
    """Every trigger of ours with its state, every function with its text, every right on every table."""
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal")
        found = cursor.fetchall()
        cursor.execute("SELECT proname, prosrc, prosecdef FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        found += cursor.fetchall()
        cursor.execute(
            "SELECT relname, relowner, relacl::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        )
        return sorted([*found, *cursor.fetchall()], key=repr)


@pytest.mark.parametrize("table", list(APPEND_ONLY))
def test_six_ways_round_are_refused(application: Session, now: Any, sara: Any, table: str) -> None:
    submit_many(3, now)
    sequence_batch(at=now)
    fill_wallet(sara, 1, now)
    before = (whole(table), guards())
    column = connection.introspection.get_primary_key_column(connection.cursor(), table)

    refused(
        application,
        f"UPDATE {table} SET {column} = {column}",
        f"UPDATE {table} SET {column} = {column} WHERE false",
        f"DELETE FROM {table}",
        f"DELETE FROM {table} WHERE false",
        f"TRUNCATE {table}",
        f"TRUNCATE {table} CASCADE",
        f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        f"ALTER TABLE {table} DISABLE TRIGGER USER",
        "SET session_replication_role = replica",
        f"DROP TABLE {table} CASCADE",
        f"ALTER TABLE {table} RENAME TO elsewhere",
        f"ALTER TABLE {table} OWNER TO {APPLICATION}",
        f"MERGE INTO {table} t USING {table} s ON false WHEN MATCHED THEN DELETE",
        f"SELECT * FROM {table} FOR UPDATE",
        f"CREATE TRIGGER own BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION ledger_refuse_change()",
        f"CREATE RULE own AS ON INSERT TO {table} DO INSTEAD NOTHING",
    )

    assert (whole(table), guards()) == before


@pytest.mark.parametrize("function", ["ledger_refuse_change", "wallet_refuse_change", "ledger_head_only_grows"])
def test_the_guards_cannot_be_rewritten(application: Session, function: str) -> None:
    before = guards()
    refused(
        application,
        f"CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        f"DROP FUNCTION {function}() CASCADE",
        f"ALTER FUNCTION {function}() RENAME TO elsewhere",
        f"ALTER FUNCTION {function}() OWNER TO {APPLICATION}",
    )
    assert guards() == before


def test_the_role_gets_no_further_rights(application: Session) -> None:
    before = guards()
    refused(
        application,
        f"SET ROLE {OWNER}",
        f"SET SESSION AUTHORIZATION {OWNER}",
        f"GRANT {OWNER} TO {APPLICATION}",
        f"ALTER ROLE {APPLICATION} SUPERUSER",
        f"ALTER ROLE {OWNER} PASSWORD 'mine'",
        "CREATE ROLE another SUPERUSER",
        "CREATE TABLE own (id int)",
        "CREATE TEMPORARY TABLE ledger_entry (id int)",
        "CREATE SCHEMA own",
        "CREATE EXTENSION hstore",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY ledger_entry TO PROGRAM 'cat'",
    )
    # PostgreSQL only warns that a GRANT of somebody without rights gave nothing.
    for statement in (f"GRANT ALL ON ledger_entry TO {APPLICATION}", "GRANT ALL ON SCHEMA public TO PUBLIC"):
        with_warning(application, statement)
    assert guards() == before
    refused(application, "DELETE FROM ledger_entry", "CREATE TABLE own (id int)")


def with_warning(session: Session, statement: str) -> None:
    with suppress(InsufficientPrivilege):
        session.execute(statement)


def test_money_moves_through_its_door_alone(application: Session, now: Any, sara: Any) -> None:
    fill_wallet(sara, 1, now)
    wallet = account_of(sara)
    refused(
        application,
        f"UPDATE wallet_account SET rolled_micros = 9000000 WHERE id = {wallet.pk}",
        f"DELETE FROM wallet_account WHERE id = {wallet.pk}",
        f"SELECT * FROM wallet_account WHERE id = {wallet.pk} FOR UPDATE",
        f"INSERT INTO wallet_balancechange (account_id, amount_micros) VALUES ({wallet.pk}, 9000000)",
        "DELETE FROM wallet_balancechange",
        f"INSERT INTO wallet_posting (transfer_id, account_id, amount_micros) VALUES (1, {wallet.pk}, 9000000)",
        "INSERT INTO wallet_transfer (public_id, idempotency_key, kind, at)"
        " VALUES (gen_random_uuid(), gen_random_uuid(), 'top_up', now())",
    )
    with pytest.raises(psycopg.Error, match="A new account is empty"):
        application.execute(
            "INSERT INTO wallet_account (public_id, kind, currency, owner_id, rolled_micros)"
            f" VALUES ('{uuid4()}', 'wallet', 'CHF', {sara.pk}, 9000000)"
        )
    assert balance_micros(wallet) == EURO


def test_a_caller_cannot_lay_tables_over_those_of_the_door(application: Session, now: Any, sara: Any) -> None:
    fill_wallet(sara, 1, now)
    application.execute("SET search_path = pg_temp, information_schema")
    assert application.execute(f"SELECT public.wallet_roll_up(ARRAY[{account_of(sara).pk}]::bigint[])").fetchone()
    assert balance_micros(account_of(sara)) == EURO


def test_the_application_finds_itself_without_excess(application: Session, client: Any) -> None:
    with connection.cursor() as cursor:
        assert excess_of_rights(cursor) == []
    assert client.get("/health").json()["database"] == {"up": True, "roles_separated": True}


def test_an_owner_in_the_application_is_named(client: Any, admin_client: Any) -> None:
    with owner_rights():
        with connection.cursor() as cursor:
            found = excess_of_rights(cursor)
        assert client.get("/health").json()["database"] == {"up": True, "roles_separated": False}
        page = admin_client.get("/admin/").content.decode()
    assert "it owns the tables" in found
    assert "ledger_entry" in found[-1]
    assert "it owns the tables" in page


def test_settings_of_the_role_are_named_and_migrated_away(application: Session) -> None:
    """In this database alone: the role is that of every test run on this server."""
    role = f"ALTER ROLE {APPLICATION} IN DATABASE {connection.settings_dict['NAME']}"
    application.execute(f"{role} SET default_transaction_read_only = on")
    try:
        with connection.cursor() as cursor:
            assert excess_of_rights(cursor) == ["its sessions begin with settings of its own; migrate removes them"]
        with owner_rights(), connection.cursor() as cursor:
            call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            assert excess_of_rights(cursor) == []
    finally:
        application.execute(f"{role} RESET ALL")


def test_a_table_of_a_later_migration_gets_its_rights_when_migrated(application: Session) -> None:
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE trial_later (id int)")
        cursor.execute(f"GRANT TRUNCATE, UPDATE ON ledger_entry TO {APPLICATION}")
    try:
        refused(application, "SELECT * FROM trial_later")
        with owner_rights(), connection.cursor() as cursor:
            call_command("migrate", verbosity=0)
        application.execute("INSERT INTO trial_later VALUES (1)")
        application.execute("DELETE FROM trial_later")
        refused(application, "TRUNCATE trial_later", "DROP TABLE trial_later", "TRUNCATE ledger_entry")
    finally:
        with owner_rights(), connection.cursor() as cursor:
            cursor.execute("DROP TABLE trial_later")


def test_every_append_only_table_is_declared_and_guarded_always() -> None:
    """A trigger that refuses changes and a line in the list belong together."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid"
            # 8: DELETE, 16: UPDATE, 32: TRUNCATE.
            " WHERE proname IN ('ledger_refuse_change', 'wallet_refuse_change')"
            " AND tgtype & 56 = 56 AND tgenabled = 'A'"
        )
        guarded = {table for (table,) in cursor.fetchall()}
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'A'")
        assert cursor.fetchall() == []
        cursor.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef")
        definers = {name for (name,) in cursor.fetchall()}
    assert guarded == set(APPEND_ONLY)
    assert all(set(rights) <= set(GROW) for rights in APPEND_ONLY.values())
    assert set(RIGHTS) <= set(connection.introspection.table_names())
    assert set(DOORS) <= definers


def test_the_role_has_just_what_is_declared() -> None:
    """Nothing is missing either: tables without a line of their own have the usual four."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            held = set()
            for right in (*EVERYTHING, *NEVER):
                cursor.execute("SELECT has_table_privilege(%s, %s, %s)", [APPLICATION, f'public."{table}"', right])
                held |= {right} if cursor.fetchone() == (True,) else set()
            assert (table, held) == (table, set(RIGHTS.get(table, EVERYTHING)))
