from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from ledger.audit_runs import continue_audit
from ledger.freezing import freeze_log
from ledger.inspection import find_blocking_row
from ledger.models import Alarm, AuditRun, AuditVisit, Checkpoint, Entry, OutboxRow
from ledger.services import sequence_batch
from tests.builders_ledger import submit, tamper
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db

CHANGELISTS = ["entry", "checkpoint", "outboxrow"]
VERIFICATION = "admin:ledger_verification"


@pytest.fixture
def key():
    return uuid4()


@pytest.fixture(autouse=True)
def log(now, key):
    submit(now, kind="device.enrolled", key=key, note="<b>bold</b>")
    for number in range(4):
        submit(now, kind="consent.granted", number=number)
    sequence_batch(at=now)
    submit(now, kind="listing.published")


@pytest.fixture
def auditor(mallory, client):
    """A member of staff who may look at the ledger and verify it, and nothing else."""
    mallory.is_staff = True
    mallory.save()
    names = ["view_entry", "view_checkpoint", "view_outboxrow", "view_auditrun", "view_alarm", "verify_log"]
    mallory.user_permissions.set(Permission.objects.filter(content_type__app_label="ledger", codename__in=names))
    client.force_login(mallory)
    return client


@pytest.fixture
def superuser(ben, client):
    ben.is_staff = ben.is_superuser = True
    ben.save()
    client.force_login(ben)
    return client


def pages():
    entry, checkpoint, row = Entry.objects.get(index=0), Checkpoint.objects.get(size=5), OutboxRow.objects.get()
    lists = [reverse(f"admin:ledger_{name}_changelist") for name in CHANGELISTS]
    objects = zip(CHANGELISTS, [entry, checkpoint, row], strict=True)
    return [*lists, *(reverse(f"admin:ledger_{name}_change", args=[row.pk]) for name, row in objects)]


def test_the_auditor_reads_every_page(auditor):
    for page in [*pages(), reverse(VERIFICATION), reverse("admin:index"), reverse("admin:app_list", args=["ledger"])]:
        response = auditor.get(page)
        assert response.status_code == 200, page
        assert "style=" not in response.content.decode().replace('<link rel="stylesheet" href=', "")
        assert b"<script>" not in response.content


def test_nobody_adds_changes_or_deletes_not_even_a_superuser(superuser):
    before = [list(model.objects.order_by("pk").values()) for model in (Entry, Checkpoint, OutboxRow)]
    for name, row in zip(CHANGELISTS, [Entry.objects.get(index=0), Checkpoint.objects.get(size=5),
                                       OutboxRow.objects.get()], strict=True):  # fmt: skip
        assert superuser.get(reverse(f"admin:ledger_{name}_change", args=[row.pk])).status_code == 200
        assert superuser.post(reverse(f"admin:ledger_{name}_change", args=[row.pk]), {}).status_code == 403
        assert superuser.get(reverse(f"admin:ledger_{name}_add")).status_code == 403
        assert superuser.post(reverse(f"admin:ledger_{name}_add"), {}).status_code == 403
        delete = reverse(f"admin:ledger_{name}_delete", args=[row.pk])
        assert superuser.post(delete, {"post": "yes"}).status_code == 403
        action = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        superuser.post(reverse(f"admin:ledger_{name}_changelist"), action)
    assert [list(model.objects.order_by("pk").values()) for model in (Entry, Checkpoint, OutboxRow)] == before


@pytest.mark.parametrize("is_staff", [False, True])
def test_the_stranger_sees_nothing(client, mallory, is_staff):
    mallory.is_staff = is_staff
    mallory.save()
    client.force_login(mallory)
    for page in [*pages(), reverse(VERIFICATION)]:
        assert client.get(page, follow=True).status_code == 403
    assert client.post(reverse(VERIFICATION), follow=True).status_code == 403


def test_who_is_not_logged_in_is_sent_to_log_in(client):
    for page in [*pages(), reverse(VERIFICATION)]:
        assert client.get(page).status_code == 302


def test_who_may_only_look_may_not_verify(client, mallory):
    mallory.is_staff = True
    mallory.save()
    mallory.user_permissions.set(Permission.objects.filter(codename="view_entry"))
    client.force_login(mallory)
    response = client.get(reverse("admin:ledger_entry_changelist"))
    assert b"Verify the whole log" not in response.content
    assert client.post(reverse(VERIFICATION)).status_code == 403


def listed(client, name, **query) -> list[int]:
    response = client.get(reverse(f"admin:ledger_{name}_changelist"), query)
    assert response.status_code == 200
    return [row.pk for row in response.context["cl"].result_list]


def test_finds_entries_by_index_id_reference_kind_and_time(auditor, key):
    entry = Entry.objects.get(index=3)
    assert listed(auditor, "entry") == [4, 3, 2, 1, 0]
    assert listed(auditor, "entry", q="3") == [3]
    assert listed(auditor, "entry", q=str(entry.entry_id)) == [3]
    assert listed(auditor, "entry", q=str(key)) == [0]
    assert listed(auditor, "entry", q=str(key).upper()) == [0]
    assert listed(auditor, "entry", q="no such thing' OR 1=1") == []
    assert listed(auditor, "entry", q="9" * 30) == []
    assert listed(auditor, "entry", kind="device.enrolled") == [0]
    assert listed(auditor, "entry", **{"from": "2026-03-14T09:26:53", "until": "2026-03-14T09:26:54"}) == [
        4,
        3,
        2,
        1,
        0,
    ]
    assert listed(auditor, "entry", **{"from": "2026-03-14T09:26:54"}) == []
    assert listed(auditor, "entry", until="2026-03-14T09:26:53") == []
    assert listed(auditor, "entry", kind="device.enrolled", until="2027-01-01", q=str(key)) == [0]


def test_a_time_that_is_none_is_passed_over(auditor):
    page = reverse("admin:ledger_entry_changelist")
    assert auditor.get(page, {"from": "yesterday"})["Location"].endswith("?e=1")


def test_finds_checkpoints_and_waiting_records(auditor):
    checkpoint, row = Checkpoint.objects.get(size=5), OutboxRow.objects.get()
    assert listed(auditor, "checkpoint", q="5") == [checkpoint.pk]
    assert listed(auditor, "checkpoint", q=bytes(checkpoint.root_hash).hex()) == [checkpoint.pk]
    assert listed(auditor, "checkpoint", q="nothing") == []
    assert listed(auditor, "checkpoint", until="2026-01-01") == []
    assert listed(auditor, "outboxrow", q=str(row.entry_id)) == [row.pk]
    assert listed(auditor, "outboxrow", q=str(row.key)) == [row.pk]
    assert listed(auditor, "outboxrow", q="nothing") == []
    assert listed(auditor, "outboxrow", kind="listing.published") == [row.pk]
    assert listed(auditor, "outboxrow", **{"from": "2026-03-15"}) == []


def test_an_entrys_page_shows_its_bytes_and_its_proof(auditor):
    entry = Entry.objects.get(index=0)
    response = auditor.get(reverse("admin:ledger_entry_change", args=[0]))
    text = response.content.decode()
    assert "This entry is in the log" in text
    assert bytes(entry.body).hex(" ") in text
    assert bytes(entry.leaf_hash).hex() in text
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    steps = response.context["inspection"].steps
    assert len(steps) == 3
    assert steps[-1].result == bytes(Checkpoint.objects.get(size=5).root_hash)
    assert all(step.sibling.hex() in text and step.result.hex() in text for step in steps)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE ledger_entry SET body = set_byte(body, 3, 0) WHERE index = 0",
        "UPDATE ledger_entry SET leaf_hash = sha256('x') WHERE index = 0",
        "UPDATE ledger_tile SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)",
        "DELETE FROM ledger_tile",
        "UPDATE ledger_checkpoint SET note = 'nothing'",
        "DELETE FROM ledger_checkpoint",
    ],
)
def test_an_entrys_page_says_when_something_is_wrong(auditor, sql):
    tamper(sql)
    response = auditor.get(reverse("admin:ledger_entry_change", args=[0]))
    assert response.status_code == 200
    assert "This entry is not what was signed" in response.content.decode()


@pytest.mark.parametrize("number", ["99", "-1", "text"])
def test_a_missing_entry_is_told(auditor, number):
    assert auditor.get(reverse("admin:ledger_entry_change", args=[number])).status_code == 302


def audited(client) -> str:
    """Ask for an audit, do the worker's part, and return its page."""
    response = client.post(reverse(VERIFICATION))
    assert response.status_code == 302
    assert "Waits for a worker" in client.get(response["Location"]).content.decode()
    continue_audit(clock=timezone.now)
    return client.get(response["Location"]).content.decode()


def test_an_audit_says_what_was_checked(auditor):
    text = audited(auditor)
    assert "Everything that is stored follows" in text
    assert "5 read: indices without a gap" in text
    assert "2 compared with the recomputed root" in text
    assert "hx-get" not in text


def test_an_audit_names_the_first_that_is_wrong(auditor):
    tamper("UPDATE ledger_entry SET leaf_hash = sha256('x') WHERE index IN (2, 3)")
    text = audited(auditor)
    assert "2 things found that must not be" in text
    assert "<strong>entry 2</strong>: The stored leaf hash is not the hash of its bytes." in text


def test_while_an_audit_is_at_work_that_one_is_shown(auditor):
    first, second = auditor.post(reverse(VERIFICATION)), auditor.post(reverse(VERIFICATION), {"scope": "incremental"})
    assert first["Location"] == second["Location"]
    assert AuditRun.objects.count() == 1


def test_the_progress_asks_for_itself_and_is_for_nobody_else(auditor, client, ben):
    auditor.post(reverse(VERIFICATION))
    page = reverse("admin:ledger_auditrun_progress", args=[AuditRun.objects.get().pk])
    text = auditor.get(page).content.decode()
    assert f'hx-get="{page}"' in text
    assert "<html" not in text
    client.force_login(ben)
    assert client.get(page).status_code == 302


def test_the_ledgers_first_page_tells_its_state(auditor, now):
    text = auditor.get(reverse("admin:app_list", args=["ledger"])).content.decode()
    assert "The log is not frozen." in text
    assert "5 entries" in text
    assert "None was ever raised." in text


def test_a_frozen_log_is_told_on_every_page(transactional_db, auditor, now):
    freeze_log(code="log_forked", sentence="Two roots.", evidence={"checkpoint": "the exact note"}, at=now)
    for page in [*pages(), reverse("admin:index"), reverse("admin:app_list", args=["ledger"])]:
        text = auditor.get(page).content.decode()
        assert "The log is frozen since 2026-03-14 09:26:53 UTC. Two roots." in text
    alarm = reverse("admin:ledger_alarm_change", args=[Alarm.objects.get().pk])
    assert "the exact note" in auditor.get(alarm).content.decode()


def test_what_staff_open_is_kept(auditor, mallory):
    auditor.get(reverse("admin:ledger_entry_change", args=[0]))
    visit = AuditVisit.objects.latest("pk")
    assert (visit.visitor, visit.subject) == (mallory.public_id, "GET Entry 0")
    assert visit.address == reverse("admin:ledger_entry_change", args=[0])
    count = AuditVisit.objects.count()
    auditor.post(reverse(VERIFICATION))
    assert AuditVisit.objects.latest("pk").subject.startswith("POST")
    auditor.get(reverse("admin:ledger_auditrun_progress", args=[AuditRun.objects.get().pk]))
    assert AuditVisit.objects.count() == count + 1


def test_auditors_do_not_see_who_looked_at_what(auditor):
    assert auditor.get(reverse("admin:ledger_auditvisit_changelist")).status_code == 403


def test_the_list_never_counts_further_than_its_cap(auditor, monkeypatch):
    monkeypatch.setattr("ledger.admin_filters.MOST_COUNTED", 3)
    response = auditor.get(reverse("admin:ledger_entry_changelist"))
    assert response.context["cl"].paginator.count == 3


def test_what_waits_says_when_it_blocks_the_log(auditor, now):
    good, changed = submit(now), submit(now)
    with owner_rights():
        OutboxRow.objects.filter(entry_id=changed).update(kind="device.retired")
    text = auditor.get(reverse("admin:ledger_outboxrow_changelist")).content.decode()
    assert text.count("Blocks the log: The record is not what its columns say.") == 1
    assert find_blocking_row().entry_id == changed
    OutboxRow.objects.filter(entry_id=changed).delete()
    assert find_blocking_row() is None
    page = reverse("admin:ledger_outboxrow_change", args=[OutboxRow.objects.get(entry_id=good).pk])
    assert "Waits" in auditor.get(page).content.decode()
