"""What the application's database role may do, table by table: the one list, its grants, and the check of both.

The tables belong to another role, which only `manage.py migrate` logs in as. What the application's role cannot do,
nobody can who makes the application run an SQL statement of his own.
"""

from contextlib import suppress

from django.db import DatabaseError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from psycopg import sql

READ = ("SELECT",)
GROW = ("SELECT", "INSERT")
EVERYTHING = ("SELECT", "INSERT", "UPDATE", "DELETE")
# What PostgreSQL knows beside these, and the application never has.
NEVER = ("TRUNCATE", "REFERENCES", "TRIGGER")

# Each has an ENABLE ALWAYS trigger as well, which holds against the owner too; a test compares the two.
APPEND_ONLY = {
    **dict.fromkeys(
        (
            "ledger_entry",
            "ledger_tile",
            "ledger_checkpoint",
            "ledger_cosignature",
            "ledger_witnesskey",
            "ledger_finalcheckpoint",
            "ledger_alarm",
            "ledger_storedreceipt",
            "ledger_auditvisit",
        ),
        GROW,
    ),
    **dict.fromkeys(("consents_noticetext", "consents_consentchange"), GROW),
    # Money moves through wallet_post alone, which has the rights of its owner.
    **dict.fromkeys(("wallet_transfer", "wallet_posting"), READ),
    **dict.fromkeys(("purchases_refund", "purchases_purchasechange", "wallet_providerevent"), GROW),
    **dict.fromkeys(("invoices_invoice", "invoices_invoiceline"), GROW),
    **dict.fromkeys(("delivery_readsummary", "delivery_segmentbatch", "delivery_derivation"), GROW),
    "erasure_readingsdeletion": GROW,
}
RIGHTS = {
    **APPEND_ONLY,
    "wallet_balancechange": READ,
    # A trigger refuses a new account that is not empty.
    "wallet_account": GROW,
    "ledger_loghead": ("SELECT", "UPDATE"),
    "ledger_logfreeze": ("SELECT", "INSERT", "UPDATE"),
    "ledger_outboxrow": ("SELECT", "INSERT", "DELETE"),
    "ledger_commitmentsecret": ("SELECT", "INSERT", "DELETE"),
    # Written by migrate.
    **dict.fromkeys(("django_migrations", "django_content_type", "auth_permission"), READ),
}
# The functions that run with their owner's rights and that the application may call.
DOORS = ("wallet_post", "wallet_roll_up")

_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
_DEFINERS = (
    "SELECT oid::regprocedure::text, proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
)
_TOO_MUCH = """
    SELECT pg_roles.rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls,
        EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND pg_has_role(relowner, 'MEMBER')),
        has_schema_privilege('public', 'CREATE'),
        ARRAY(
            SELECT DISTINCT relname::text FROM pg_class
            LEFT JOIN unnest(%(tables)s::text[], %(rights)s::text[]) AS declared (name, rights) ON name = relname
            CROSS JOIN unnest(%(all)s::text[]) AS one
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
                AND has_table_privilege(pg_class.oid, one)
                AND one <> ALL (string_to_array(coalesce(rights, %(usual)s), ' '))
            ORDER BY 1
        ),
        EXISTS (
            SELECT FROM pg_db_role_setting WHERE setrole = pg_roles.oid
                AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        )
    FROM pg_roles WHERE rolname = current_user
"""


class RoleUnusableError(Exception):
    """The application's role cannot be what it should be. str(error) tells the operator what to do."""


def grant_rights(connection: BaseDatabaseWrapper, *, user: str, password: str) -> None:
    """As the owner of the tables: make the application's role when it is missing, and give it its rights and no others.

    Raises RoleUnusableError.
    """
    name = sql.Identifier(user)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        _make_role(connection, cursor, role=user, password=password)
        _refuse_power(cursor, user)
        _reset_settings(connection, cursor, name)
        database = sql.Identifier(str(connection.settings_dict["NAME"]))
        cursor.execute(sql.SQL("REVOKE CREATE, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))
        cursor.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, name))
        cursor.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        cursor.execute(sql.SQL("REVOKE ALL ON SCHEMA public FROM {}").format(name))
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name))
        # Keys are identity columns, which need no right to their sequence.
        for kind in ("TABLES", "SEQUENCES"):
            cursor.execute(sql.SQL("REVOKE ALL ON ALL {} IN SCHEMA public FROM {}").format(sql.SQL(kind), name))
        cursor.execute(_TABLES)
        for (table,) in cursor.fetchall():
            rights = sql.SQL(", ").join(map(sql.SQL, RIGHTS.get(table, EVERYTHING)))
            cursor.execute(sql.SQL("GRANT {} ON {} TO {}").format(rights, sql.Identifier(table), name))
        cursor.execute(_DEFINERS)
        for signature, function in cursor.fetchall():
            cursor.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
            if function in DOORS:
                cursor.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(sql.SQL(signature), name))


def excess_of_rights(cursor: CursorWrapper) -> list[str]:
    """Say what the connected role could do and should not be able to; nothing when the roles are separated."""
    cursor.execute(
        _TOO_MUCH,
        {
            "tables": list(RIGHTS),
            "rights": [" ".join(rights) for rights in RIGHTS.values()],
            "all": [*EVERYTHING, *NEVER],
            "usual": " ".join(EVERYTHING),
        },
    )
    is_powerful, is_owner, may_create, tables, has_settings = cursor.fetchone()
    found = ["it has powers over the whole server"] if is_powerful else []
    found += ["it owns the tables"] if is_owner else []
    found += ["it may create tables and functions"] if may_create else []
    # Any role may set what its own next sessions begin with: read only, another search path.
    found += ["its sessions begin with settings of its own; migrate removes them"] if has_settings else []
    return found + ([f"it has rights that it does not need on {', '.join(tables)}"] if tables else [])


def _make_role(connection: BaseDatabaseWrapper, cursor: CursorWrapper, *, role: str, password: str) -> None:
    """The password travels as its hash, so that no server log can hold it."""
    name = sql.Identifier(role)
    secret = sql.Composed([])
    if password:
        hashed = connection.connection.pgconn.encrypt_password(password.encode(), role.encode())
        secret = sql.SQL(" PASSWORD {}").format(sql.Literal(hashed.decode()))
    if not _exists(cursor, role):
        try:
            with transaction.atomic(using=connection.alias):
                cursor.execute(sql.SQL("CREATE ROLE {} LOGIN NOINHERIT").format(name) + secret)
        except DatabaseError as error:
            # Roles belong to the whole server: another database's migrate may have been first.
            if not _exists(cursor, role):
                raise RoleUnusableError(
                    f"The owner of the database may not make the role {role}. As an administrator of the server: "
                    f"CREATE ROLE {role} LOGIN NOINHERIT PASSWORD '...'; then migrate again."
                ) from error
    elif password:
        cursor.execute("SELECT pg_has_role(%s, 'USAGE WITH ADMIN OPTION')", [role])
        if cursor.fetchone() == (True,):
            cursor.execute(sql.SQL("ALTER ROLE {}").format(name) + secret)


def _reset_settings(connection: BaseDatabaseWrapper, cursor: CursorWrapper, name: sql.Identifier) -> None:
    """Whoever made the role may; else excess_of_rights goes on naming it to an administrator of the server."""
    database = sql.Identifier(str(connection.settings_dict["NAME"]))
    reset = sql.SQL("ALTER ROLE {} RESET ALL").format(name)
    with suppress(DatabaseError), transaction.atomic(using=connection.alias):
        cursor.execute(reset)
        cursor.execute(sql.SQL("ALTER ROLE {} IN DATABASE {} RESET ALL").format(name, database))


def _exists(cursor: CursorWrapper, role: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    return cursor.fetchone() is not None


def _refuse_power(cursor: CursorWrapper, role: str) -> None:
    cursor.execute(
        """
        SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
            OR EXISTS (SELECT FROM pg_auth_members WHERE member = pg_roles.oid)
            OR EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner = pg_roles.oid)
            OR EXISTS (SELECT FROM pg_database WHERE datname = current_database() AND datdba = pg_roles.oid)
        FROM pg_roles WHERE rolname = %s
        """,
        [role],
    )
    if cursor.fetchone() != (False,):
        raise RoleUnusableError(
            f"The role {role} of DATABASE_URL may not run the application beside an owner: it is a superuser, may make "
            "roles or databases, belongs to another role, or owns this database or its tables. Name another one."
        )
