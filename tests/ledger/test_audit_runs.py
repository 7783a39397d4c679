"""Audits as a worker does them: one at a time, going on after kill -9, incremental from what is vouched for."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from ledger import audit, audit_reading
from ledger.audit_runs import continue_audit, request_audit
from ledger.errors import AuditAtWork, NothingToGoOnFrom
from ledger.models import AuditRun, LogHead
from ledger.services import sequence_batch
from tests.builders_ledger import submit_in_bulk, submit_many, tamper

pytestmark = pytest.mark.django_db
WORK = """
import os, signal, sys
import django
django.setup()
from django.db import connections
connections["default"].settings_dict["NAME"] = sys.argv[1]
from django.utils import timezone
from ledger import audit_reading, audit_runs
audit_reading.CHUNK = 512
note = audit_runs._note_progress
def die(run, walk, at):
    note(run, walk, at)
    if run.position >= 1024:
        os.kill(os.getpid(), signal.SIGKILL)
audit_runs._note_progress = die
audit_runs.continue_audit(clock=timezone.now)
"""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(audit_reading, "CHUNK", 512)


def grow(count, now):
    submit_in_bulk(count, now)
    while sequence_batch(at=now):
        pass


def do_audit(sara, now, scope="full") -> AuditRun:
    request_audit(scope=scope, by=sara, at=now)
    run = continue_audit(clock=timezone.now)
    assert run is not None
    run.refresh_from_db()
    return run


def test_a_good_log_is_good(sara, now):
    grow(1500, now)
    run = do_audit(sara, now)
    assert (run.state, run.position, run.size, run.entry_count) == ("good", 1500, 1500, 1500)
    assert bytes(run.root_hash) == bytes(LogHead.objects.get().root_hash)
    assert (run.requested_by, run.percent, run.findings) == (sara, 100, [])
    assert continue_audit(clock=timezone.now) is None


def test_an_empty_log_is_good(sara, now):
    assert do_audit(sara, now).state == "good"


def test_one_at_a_time(sara, now):
    request_audit(scope="full", by=sara, at=now)
    with pytest.raises(AuditAtWork):
        request_audit(scope="full", by=sara, at=now)
    assert AuditRun.objects.count() == 1


def test_names_what_is_damaged(sara, now):
    grow(1500, now)
    tamper("UPDATE ledger_entry SET kind = 'a.b' WHERE index = 1300")
    run = do_audit(sara, now)
    assert (run.state, run.finding_count) == ("bad", 1)
    assert run.findings[0]["place"] == "entry 1300"


def test_entries_that_come_meanwhile_are_the_next_ones(sara, now, monkeypatch):
    grow(1100, now)
    walk = audit.LogAudit.walk_chunk

    def walk_and_grow(self):
        walk(self)
        submit_many(3, now)
        sequence_batch(at=now)

    monkeypatch.setattr(audit.LogAudit, "walk_chunk", walk_and_grow)
    run = do_audit(sara, now)
    assert (run.state, run.size, LogHead.objects.get().size) == ("good", 1100, 1109)


def test_incremental_reads_only_what_is_new(sara, now):
    with pytest.raises(NothingToGoOnFrom):
        request_audit(scope="incremental", by=sara, at=now)
    grow(70_000, now)
    assert do_audit(sara, now).state == "good"
    grow(1000, now)
    run = do_audit(sara, now, "incremental")
    assert (run.state, run.size) == ("good", 71_000)
    assert run.entry_count == 71_000 - 70_000 // 256 * 256


def test_incremental_does_not_believe_another_history(sara, now):
    grow(600, now)
    do_audit(sara, now)
    AuditRun.objects.update(root_hash=bytes(32))
    with pytest.raises(NothingToGoOnFrom):
        request_audit(scope="incremental", by=sara, at=now)


def test_incremental_finds_that_what_was_noted_down_was_changed(sara, now):
    grow(600, now)
    resume = do_audit(sara, now).resume
    AuditRun.objects.update(resume={**resume, "peaks": ["00" * 32]})
    grow(100, now)
    run = do_audit(sara, now, "incremental")
    assert (run.state, run.findings[0]["place"]) == ("bad", "checkpoint of size 600")


@pytest.mark.django_db(transaction=True)
def test_goes_on_after_kill_9(sara, now):
    grow(2000, now)
    run = request_audit(scope="full", by=sara, at=now)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "marketplace.settings"}
    command = [sys.executable, "-c", WORK, str(connection.settings_dict["NAME"])]
    done = subprocess.run(command, env=environment, cwd=Path.cwd(), check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    run.refresh_from_db()
    assert (run.state, run.position, run.entry_count) == ("running", 1024, 1024)
    tamper("UPDATE ledger_entry SET kind = 'a.b' WHERE index = 1999")
    # The server notices the dead session, and with it goes the election.
    deadline = time.monotonic() + 20
    while continue_audit(clock=timezone.now) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.refresh_from_db()
    assert (run.state, run.entry_count) == ("bad", 2000)
    assert [finding["place"] for finding in run.findings] == ["entry 1999"]
