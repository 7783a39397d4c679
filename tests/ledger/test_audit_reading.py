"""Entries that an audit reads on all processors: the same findings, whatever becomes of those that help."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from ledger import audit_entries, audit_reading
from ledger.audit import LogAudit
from ledger.audit_report import AuditReport
from ledger.models import LogHead
from ledger.services import sequence_batch, verify_log
from tests.builders_ledger import submit_in_bulk, tamper

pytestmark = pytest.mark.django_db(transaction=True)
CHUNK = 256
ENTRIES = 20 * CHUNK - 100
DIE = """
import os, signal, sys
import django
django.setup()
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
from ledger import audit_entries, audit_reading
from ledger.audit import LogAudit
from ledger.models import LogHead
audit_reading.CHUNK = 256
os.cpu_count = lambda: 3
with LogAudit(LogHead.objects.get(pk=1)) as audit:
    audit.walk_chunk()
    print(*[reader.process.pid for reader in audit.reading._readers.values()], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def log(now, monkeypatch):
    monkeypatch.setattr(audit_reading, "CHUNK", CHUNK)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    submit_in_bulk(ENTRIES, now)
    while sequence_batch(at=now, limit=700):
        pass


@pytest.fixture
def begun(monkeypatch):
    """Every reader that is begun."""
    processes = []
    start = audit_reading._start_reader

    def start_and_note():
        link, process = start()
        processes.append(process)
        return link, process

    monkeypatch.setattr(audit_reading, "_start_reader", start_and_note)
    return processes


@pytest.fixture
def own(monkeypatch):
    """Where the ranges begin that the walk itself reads, which it begins when the readers are there."""
    starts = []
    begin_readers = audit_reading.EntryReading.begin_readers

    def begin_and_wait(reading, raw):
        begin_readers(reading, raw)
        assert all(link.poll(30) for link in reading._readers)

    def examine_and_note(raw, start, end):
        starts.append(start)
        return audit_entries.examine(raw, start, end)

    monkeypatch.setattr(audit_reading.EntryReading, "begin_readers", begin_and_wait)
    monkeypatch.setattr(audit_reading, "examine", examine_and_note)
    return starts


def damage() -> None:
    tamper("DELETE FROM ledger_entry WHERE index = 300")
    tamper("UPDATE ledger_entry SET kind = 'a.b' WHERE index IN (5, 3000, 4999)")
    tamper("UPDATE ledger_entry SET body = set_byte(body, 9, get_byte(body, 9) # 1) WHERE index = 2050")
    tamper("UPDATE ledger_entry SET committed_at = committed_at + interval '1 s' WHERE index = 4000")


def verify_alone(monkeypatch) -> AuditReport:
    with monkeypatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 1)
        return verify_log()


def test_a_good_log_is_good(log, begun, own):
    report = verify_log()
    assert (report.is_good, report.entry_count) == (True, ENTRIES)
    assert len(begun) == 2
    assert 1 <= len(own) < 20
    assert all(process.returncode is not None for process in begun)


def test_finds_the_same_as_alone(log, begun, own, monkeypatch):
    damage()
    alone = verify_alone(monkeypatch)
    assert not begun
    assert len(own) == 20
    own.clear()
    assert verify_log() == alone
    assert alone.finding_count >= 7
    assert len(own) < 20


def test_a_killed_reader_costs_only_time(log, begun, own, monkeypatch):
    damage()
    alone = verify_alone(monkeypatch)
    own.clear()
    say = audit_reading.EntryReading._say

    def say_and_kill(reading, link, what):
        reader = reading._readers[link]
        is_said = say(reading, link, what)
        if len(reader.given) == audit_reading.GIVEN:
            reader.process.kill()
        return is_said

    monkeypatch.setattr(audit_reading.EntryReading, "_say", say_and_kill)
    assert verify_log() == alone
    assert [process.returncode for process in begun] == [-signal.SIGKILL] * 2


def test_readers_that_cannot_begin_cost_only_time(log, begun, monkeypatch):
    monkeypatch.setattr(audit_reading, "_ROOT", Path("/"))
    assert verify_log().is_good
    assert [process.returncode for process in begun] != [None, None]


def test_what_breaks_the_audit_off_ends_the_readers(log, begun):
    with pytest.raises(KeyboardInterrupt), LogAudit(LogHead.objects.get(pk=1)) as audit:
        audit.walk()
        raise KeyboardInterrupt
    assert len(begun) == 2
    assert all(process.returncode is not None for process in begun)


def test_a_short_log_needs_no_reader(log, begun, monkeypatch):
    monkeypatch.setattr(audit_reading, "CHUNK", 2 * 4096)
    assert verify_log().is_good
    assert not begun


def test_readers_end_with_a_worker_that_is_killed(log):
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "marketplace.settings"}
    command = [sys.executable, "-c", DIE, str(connection.settings_dict["NAME"])]
    done = subprocess.run(
        command, env=environment, cwd=Path.cwd(), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    readers = [int(number) for number in done.stdout.split()]
    assert len(readers) == 2
    deadline = time.monotonic() + 20
    while any(map(is_running, readers)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(process_id: int) -> bool:
    """One that ended stays listed as a zombie where nobody asks after orphans."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
