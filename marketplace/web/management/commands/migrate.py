"""Migrate as the role that owns the tables, then give the application's role its rights, also to what is new."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from marketplace.rights import RoleUnusableError, grant_rights

APART = "The application's role owns its tables. To part the two set MIGRATION_DATABASE_URL, see docs/operations.md."


class Command(migrate.Command):
    def execute(self, *args: Any, **options: Any) -> None:
        """Not handle: the system checks before it ask the database, too."""
        connection = connections[options["database"]]
        with logged_in_as_owner(connection):
            super().execute(*args, **options)
            if any(options.get(name) for name in ("plan", "check_unapplied", "prune")):
                return
            if not settings.DATABASE_OWNER:
                if options["verbosity"] and settings.IS_PRODUCTION:
                    self.stdout.write(self.style.WARNING(APART))
                return
            try:
                grant_rights(connection, **settings.APPLICATION_ROLE)
            except RoleUnusableError as error:
                raise CommandError(str(error)) from error


@contextmanager
def logged_in_as_owner(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """The settings, not another connection: a migration's own queries may go by the default one."""
    kept = {part: connection.settings_dict[part] for part in settings.DATABASE_OWNER}
    if kept == settings.DATABASE_OWNER:
        yield
        return
    log_in(connection, settings.DATABASE_OWNER)
    try:
        yield
    finally:
        log_in(connection, kept)


def log_in(connection: BaseDatabaseWrapper, login: dict[str, Any]) -> None:
    """The next query logs in as somebody else."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's wrapper has it.
    connection.settings_dict.update(login)
