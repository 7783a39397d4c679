"""Try to join what is left after an erasure to the person: in every column of every table, and in every file.

Justified, and therefore not looked for:
- The handles stand in the log's entries (ledger_entry, ledger_outboxrow, and the receipts made of them) for ever. What
  made them hers was the key, and the test shows that no key and no id is left to compute one from.
- The texts of listings that were sold, as sara wrote them: they are the buyers' contract.
- The last letter, which in the embedded run lies in the mail folder instead of leaving the server.
- Answers to other people's repeated API requests, which may say from whom they bought: deleted after two days.
- The mark in erasure_erasure: only who already has the account's id, from a backup, can compute it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.storage import default_storage
from django.db import connection

from ledger.models import CommitmentSecret, Entry
from ledger.services import prove_consistency, prove_inclusion, sequence_batch, verify_log
from marketplace.accounts.models import User
from marketplace.erasure.files import remove_left_files
from marketplace.erasure.models import LeftFile
from marketplace.erasure.services import erase_account
from tests.erasure.people import Traces, live_here

pytestmark = pytest.mark.django_db
HANDLES_STAND_IN = {"ledger_entry", "ledger_outboxrow"}
FAREWELL = "Ownstream: your account is erased"


@pytest.fixture(autouse=True)
def own_folders(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "files"
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    settings.MAIL_FOLDER = tmp_path / "mail"


@pytest.fixture
def traces(sara: User, ben: User, now: datetime) -> Traces:
    return live_here(sara, ben, now)


def rows() -> Iterator[tuple[str, str]]:
    """Every row of every table, as lower-case text: bytea is hexadecimal in it, and JSON and arrays are spelled out."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT "{table}"::text FROM "{table}"')
            for (text,) in cursor.fetchall():
                yield table, text.lower()
    # Packed by Django, so that the column alone would show nothing.
    for session in Session.objects.all():
        yield "django_session", json.dumps(session.get_decoded()).lower()


def found(needles: dict[str, str]) -> set[tuple[str, str]]:
    """Where something is found: the table, and what it is. Also as hexadecimal digits of the text, in a bytea."""
    spellings = {spelling: what for text, what in needles.items() for spelling in (text.lower(), text.encode().hex())}
    return {(table, what) for table, text in rows() for spelling, what in spellings.items() if spelling in text}


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        yield str(path.relative_to(folder)).lower(), path.read_bytes().lower()


def found_in_files(folder: Path, needles: dict[str, str]) -> set[tuple[str, str]]:
    return {
        (name, what)
        for name, content in files(folder)
        for text, what in needles.items()
        if text.lower() in name or text.lower().encode() in content
    }


def test_the_search_finds_each_trace_before(traces: Traces, tmp_path: Path) -> None:
    """A search that finds nothing proves nothing: each needle lies somewhere before the erasure."""
    in_tables, in_files = {what for _, what in found(traces.needles)}, found_in_files(tmp_path, traces.needles)
    # Only their hashes were ever kept.
    assert set(traces.needles.values()) - in_tables == {"a token", "an API key"}
    assert {what for _, what in in_files} == {"the address", "a device's id"}


def test_nothing_that_is_left_leads_to_the_person(
    traces: Traces, sara: User, now: datetime, tmp_path: Path, django_capture_on_commit_callbacks: Any
) -> None:
    later = now + timedelta(hours=1)
    paths = set(default_storage.listdir("tables")[0])
    assert paths
    with django_capture_on_commit_callbacks(execute=True):
        erase_account(user=sara, at=later)
    remove_left_files()
    sequence_batch(at=later)

    assert found(traces.needles) == set()
    assert {table for table, _ in found(dict.fromkeys(traces.handles, "a handle"))} <= HANDLES_STAND_IN
    assert not LeftFile.objects.exists()
    left = found_in_files(tmp_path, traces.needles)
    assert {(name.split("/")[0], what) for name, what in left} == {("mail", "the address")}
    [letter] = (tmp_path / "mail").glob("*.log")
    assert FAREWELL in letter.read_text()
    assert not default_storage.exists("readings") or default_storage.listdir("readings") == ([], [])
    owners_files = [name for name, _ in files(tmp_path / "files" / "tables")]
    assert len(owners_files) == 0, "Only sara's listing had data, so no delivered file is left."


def test_no_key_that_is_left_makes_one_of_the_handles(traces: Traces, sara: User, now: datetime) -> None:
    erase_account(user=sara, at=now)
    users = list(User.objects.values_list("public_id", flat=True))
    for row in CommitmentSecret.objects.all():
        for subject in [row.subject_id, *users]:
            for kind in ("person", "device", "device_key"):
                made = hmac.new(bytes(row.secret), f"{kind}:{subject}".encode(), sha256).hexdigest()
                assert made not in traces.handles


def test_proofs_and_the_audit_still_pass(traces: Traces, sara: User, now: datetime) -> None:
    old_size = Entry.objects.count()
    before = [prove_inclusion(index, old_size) for index in range(old_size)]
    bodies = [bytes(entry.body) for entry in Entry.objects.order_by("index")]
    erase_account(user=sara, at=now)
    sequence_batch(at=now)
    assert [prove_inclusion(index, old_size) for index in range(old_size)] == before
    assert [bytes(entry.body) for entry in Entry.objects.order_by("index")[:old_size]] == bodies
    size = Entry.objects.count()
    assert prove_consistency(old_size, size)
    assert verify_log().is_good


def test_the_entry_about_the_erasure_names_nobody(traces: Traces, sara: User, now: datetime) -> None:
    erase_account(user=sara, at=now)
    sequence_batch(at=now)
    entry = Entry.objects.get(kind="erasure.done")
    content = json.loads(bytes(entry.body))
    assert {name: content[name] for name in content.keys() - {"id", "at", "v", "kind"}} == {
        "scope": "account",
        "reason": "request",
        "refs": [],
    }
