"""The owner of the tables and the application's role, as `manage.py migrate` makes them on a server of its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from marketplace.embedded.services import APPLICATION_ROLE, EmbeddedServices, as_application

ROOT = Path(__file__).resolve().parent.parent.parent
STEERING = ("DATABASE_", "MIGRATION_", "PYTEST_")


@pytest.fixture(scope="module")
def owner_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="ownstream-roles-") as name:
        Path(name).chmod(0o711)
        services = EmbeddedServices(Path(name) / "services", is_throw_away=True)
        yield services.start_postgres()
        services.stop()


def migrate(**settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(STEERING)}
    command = [sys.executable, "manage.py", "migrate", "--no-input", "--verbosity", "0"]
    return subprocess.run(command, cwd=ROOT, env=kept | settings, capture_output=True, text=True, check=False)


def test_data_of_one_role_go_on_with_two(owner_url: str) -> None:
    """An installation of an earlier version has the owner's role alone."""
    assert migrate(DATABASE_URL=owner_url).returncode == 0
    with psycopg.connect(owner_url) as owner:
        owner.execute("INSERT INTO django_session VALUES ('kept', '', now())")
        assert owner.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APPLICATION_ROLE]).fetchone() is None

    moved = migrate(DATABASE_URL=as_application(owner_url), MIGRATION_DATABASE_URL=owner_url)

    assert moved.returncode == 0, moved.stderr
    with psycopg.connect(as_application(owner_url), autocommit=True) as application:
        assert application.execute("SELECT session_key FROM django_session").fetchone() == ("kept",)
        with pytest.raises(InsufficientPrivilege):
            application.execute("DELETE FROM ledger_entry")
    with psycopg.connect(owner_url) as owner:
        owner.execute("DELETE FROM django_session")


def test_the_parts_name_the_owner_and_the_password_is_kept_as_a_hash(owner_url: str) -> None:
    """As compose.yaml does it. A password that was changed is changed with the next migration."""
    folder = urlsplit(owner_url).query.removeprefix("host=").replace("%2F", "/")
    parts = {"DATABASE_HOST": folder, "DATABASE_NAME": "ownstream", "DATABASE_USER": "market_app"}
    owner = {"DATABASE_OWNER_USER": "ownstream"}
    hashes: list[str] = []
    for password in ("p@ss/w#rd'1", "another"):
        done = migrate(**parts, **owner, DATABASE_PASSWORD=password)
        assert done.returncode == 0, done.stderr
        with psycopg.connect(owner_url) as session:
            hashes += session.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'market_app'").fetchone() or ()

    assert all(hashed.startswith("SCRAM-SHA-256$") for hashed in hashes)
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize(
    "power", ["SUPERUSER", "CREATEROLE", "CREATEDB", "IN ROLE pg_write_all_data", "IN ROLE ownstream"]
)
def test_a_role_with_powers_of_its_own_is_refused(owner_url: str, power: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as session:
        session.execute("DROP ROLE IF EXISTS mighty")
        session.execute(f"CREATE ROLE mighty LOGIN {power}")

    refused = migrate(DATABASE_URL=owner_url.replace("//ownstream@", "//mighty@"), MIGRATION_DATABASE_URL=owner_url)

    assert refused.returncode != 0
    assert "The role mighty of DATABASE_URL may not run the application" in refused.stderr


def test_an_owner_who_may_make_no_role_says_what_to_do(owner_url: str) -> None:
    with psycopg.connect(owner_url, autocommit=True) as session:
        session.execute("CREATE ROLE plain LOGIN")
        session.execute("CREATE DATABASE plain OWNER plain")
    plain_url = owner_url.replace("//ownstream@/ownstream?", "//plain@/plain?")
    application_url = plain_url.replace("//plain@", "//plain_app@")

    refused = migrate(DATABASE_URL=application_url, MIGRATION_DATABASE_URL=plain_url)
    assert refused.returncode != 0
    assert "CREATE ROLE plain_app LOGIN" in refused.stderr

    with psycopg.connect(owner_url, autocommit=True) as session:
        session.execute("CREATE ROLE plain_app LOGIN NOINHERIT")
    done = migrate(DATABASE_URL=application_url, MIGRATION_DATABASE_URL=plain_url)
    assert done.returncode == 0, done.stderr
    with psycopg.connect(application_url, autocommit=True) as application:
        application.execute("INSERT INTO django_session VALUES ('one', '', now())")
        with pytest.raises(InsufficientPrivilege):
            application.execute("TRUNCATE ledger_tile")
