from collections.abc import Iterator

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import Error, connection
from django.utils import timezone

from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def guarded_table(transactional_db: None) -> Iterator[str]:
    """A table of Django's that refuses TRUNCATE, as the log's tables do."""
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_trial() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'append-only'; END $$;"
            "CREATE TRIGGER refuse_trial BEFORE TRUNCATE ON django_session EXECUTE FUNCTION refuse_trial();"
            "ALTER TABLE django_session ENABLE ALWAYS TRIGGER refuse_trial"
        )
    yield Session._meta.db_table
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER refuse_trial ON django_session; DROP FUNCTION refuse_trial()")


def test_the_flush_empties_an_append_only_table_and_leaves_it_guarded(guarded_table: str) -> None:
    Session.objects.create(session_key="s", session_data="", expire_date=timezone.now())

    call_command("flush", interactive=False, verbosity=0)

    assert not Session.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgenabled FROM pg_trigger WHERE tgname = 'refuse_trial'")
        assert cursor.fetchone() == ("A",)
    with pytest.raises(Error, match="append-only"), owner_rights(), connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {guarded_table}")


def test_the_flush_puts_back_what_the_migrations_wrote() -> None:
    before = list(ContentType.objects.order_by("pk").values_list("pk", "model"))
    with owner_rights():
        ContentType.objects.create(app_label="trial", model="trial")

    call_command("flush", interactive=False, verbosity=0)

    assert before
    assert list(ContentType.objects.order_by("pk").values_list("pk", "model")) == before
