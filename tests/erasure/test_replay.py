"""An erasure, an older backup restored, the erasure done again."""

from datetime import date, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from devices.models import Device
from ledger.models import CommitmentSecret, Entry
from ledger.services import sequence_batch, verify_log
from marketplace.accounts.models import User
from marketplace.erasure.errors import RecordMalformed
from marketplace.erasure.files import keep_record, remove_left_files
from marketplace.erasure.marks import account_mark, read_record, record_text
from marketplace.erasure.models import Erasure, LeftFile
from marketplace.erasure.services import erase_account
from marketplace.erasure.tasks import finish_erasures_task
from tests.builders_delivery import buy_token, make_stocked_listing
from tests.builders_money import fill_wallet
from tests.database_owner import owner_rights

SAVED = "saved"
A_MARK = bytes(range(32))


def run(command: str, *arguments: object) -> str:
    out = StringIO()
    call_command(command, *map(str, arguments), stdout=out)
    return out.getvalue()


def dump() -> None:
    """A backup: every table copied aside, with triggers and keys left out of it, as pg_dump does with the data."""
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {SAVED}")
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'CREATE TABLE {SAVED}."{table}" AS TABLE public."{table}"')


def restore() -> None:
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [SAVED])
        tables = [row[0] for row in cursor.fetchall()]
        cursor.execute("SET LOCAL session_replication_role = replica")
        for table in tables:
            cursor.execute(f'ALTER TABLE public."{table}" DISABLE TRIGGER ALL')
        for table in tables:
            cursor.execute(f'DELETE FROM public."{table}"')
            cursor.execute(
                "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
                [f'public."{table}"'],
            )
            columns = cursor.fetchone()[0]
            saved = f'SELECT {columns} FROM {SAVED}."{table}"'
            cursor.execute(f'INSERT INTO public."{table}" ({columns}) OVERRIDING SYSTEM VALUE {saved}')
        for table in tables:
            cursor.execute(f'ALTER TABLE public."{table}" ENABLE TRIGGER ALL')
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute(f"DROP SCHEMA {SAVED} CASCADE")


@pytest.fixture(autouse=True)
def own_files(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "files"
    settings.ERASURES_FILE = tmp_path / "kept" / "erasures"


@pytest.mark.django_db
def test_erased_restored_and_erased_again(sara: User, ben: User, now: datetime, tmp_path: Path) -> None:
    _, listing = make_stocked_listing(sara, now)
    buy_token(listing, ben, now)
    fill_wallet(ben, 7, now)
    sequence_batch(at=now)
    dump()
    old_ids = {sara.public_id, *Device.objects.values_list("public_id", flat=True)}
    erase_account(user=sara, at=now + timedelta(hours=1))
    assert "1 erasures" in run("export_erasures", tmp_path / "record")
    record = (tmp_path / "record").read_text()

    restore()
    assert User.objects.get(pk=sara.pk).email == "sara@example.test"
    assert CommitmentSecret.objects.filter(subject_id__in=old_ids).exists()
    assert not Erasure.objects.exists()
    mail.outbox.clear()

    assert "Erased again now: 1." in run("replay_erasures", tmp_path / "record")
    erased = User.objects.get(pk=sara.pk)
    assert erased.email.endswith("@erased.invalid")
    assert User.objects.get(pk=ben.pk).email == "ben@example.test"
    assert not CommitmentSecret.objects.filter(subject_id__in=old_ids).exists()
    assert not Device.objects.exists()
    assert not LeftFile.objects.exists()
    assert mail.outbox == []
    assert run("export_erasures") == record
    sequence_batch(at=now + timedelta(hours=2))
    assert b'"reason":"restored_backup"' in bytes(Entry.objects.get(kind="erasure.done").body)
    assert verify_log().is_good
    assert "Erased again now: 0." in run("replay_erasures", tmp_path / "record")


@pytest.mark.django_db
def test_a_replay_does_not_stop_at_money_and_tells_where_it_lies(sara: User, now: datetime, tmp_path: Path) -> None:
    fill_wallet(sara, 3, now)
    (tmp_path / "record").write_text(record_text({account_mark(sara.public_id): now.date()}))
    told = run("replay_erasures", tmp_path / "record")
    assert "Settle by hand: 3000000 micros EUR in " in told
    assert "sara" not in told
    assert User.objects.get(pk=sara.pk).erased_at is not None


@pytest.mark.django_db
@pytest.mark.parametrize("content", ["", "ownstream erasures 1\n\nx\n", "other\n", b"\xff\xfe".decode("latin-1")])
def test_a_record_that_is_not_whole_erases_nobody(sara: User, tmp_path: Path, content: str) -> None:
    (tmp_path / "record").write_text(content)
    with pytest.raises(CommandError, match="Nothing was erased"):
        run("replay_erasures", tmp_path / "record")
    assert User.objects.get(pk=sara.pk).erased_at is None


@pytest.mark.django_db
def test_a_missing_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run("replay_erasures", tmp_path / "nothing")


@pytest.mark.parametrize("text", ["ownstream erasures 1", "ownstream erasures 1\nab 2026-03-14\n", "", "\n"])
def test_reading_refuses_what_is_cut_off(text: str) -> None:
    with pytest.raises(RecordMalformed):
        read_record(text)


def test_the_record_comes_back_as_it_was_written() -> None:
    erased_on = {A_MARK: date(2026, 3, 14), account_mark(UUID(int=7)): date(2025, 1, 2)}
    assert read_record(record_text(erased_on)) == erased_on
    assert read_record(record_text({})) == {}
    for cut in range(1, len(record_text(erased_on))):
        text = record_text(erased_on)[:-cut]
        try:
            assert read_record(text).items() < erased_on.items()
        except RecordMalformed:
            continue


@pytest.mark.django_db
def test_the_task_keeps_the_record_and_never_takes_from_it(sara: User, now: datetime, settings: Any) -> None:
    """A restored database knows of fewer erasures than the file does; what it does not know must not be lost."""
    erase_account(user=sara, at=now)
    finish_erasures_task()
    first = settings.ERASURES_FILE.read_text()
    assert account_mark(sara.public_id).hex() in first
    Erasure.objects.all().delete()
    Erasure.objects.create(account_mark=A_MARK, erased_on=now.date())
    finish_erasures_task()
    assert read_record(settings.ERASURES_FILE.read_text()).keys() == {A_MARK, account_mark(sara.public_id)}
    assert settings.ERASURES_FILE.stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
def test_a_record_that_cannot_be_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "record").write_text("something else")
    keep_record(tmp_path / "record")
    assert (tmp_path / "record").read_text() == "something else"


@pytest.mark.django_db
def test_files_that_could_not_be_removed_wait_for_the_next_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"tables/{uuid4().hex}.parquet" for _ in range(2)]
    folder = "readings/one/2026"
    for name in [*names, f"{folder}/a.parquet"]:
        default_storage.save(name, ContentFile(b"x"))
    LeftFile.objects.bulk_create(LeftFile(path=path) for path in [*names, "readings/one/", "readings/never/"])
    delete = default_storage.delete

    def fail_once(name: str) -> None:
        if name == names[0]:
            raise PermissionError
        delete(name)

    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "delete", fail_once)
        assert remove_left_files() == 3
    assert [left.path for left in LeftFile.objects.all()] == [names[0]]
    assert remove_left_files() == 1
    assert not any(default_storage.exists(name) for name in [*names, "readings/one"])
    assert remove_left_files() == 0
