from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from ledger.inspection import find_blocking_row
from ledger.models import Checkpoint, Entry, OutboxRow
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
    names = ["view_entry", "view_checkpoint", "view_outboxrow", "verify_log"]
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


def test_verifying_says_what_was_checked(auditor):
    text = auditor.post(reverse(VERIFICATION)).content.decode()
    assert "Everything that is stored follows" in text
    assert "5 read: indices without a gap" in text
    assert "2 compared with the recomputed root" in text


def test_verifying_names_the_first_that_is_wrong(auditor):
    tamper("UPDATE ledger_entry SET leaf_hash = sha256('x') WHERE index IN (2, 3)")
    text = auditor.post(reverse(VERIFICATION)).content.decode()
    assert "2 things found that must not be" in text
    assert "<strong>entry 2</strong>: The stored leaf hash is not the hash of its bytes." in text


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
