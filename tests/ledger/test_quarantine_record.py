import json
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command

from ledger.models import OutboxRow
from ledger.services import sequence_batch
from tests.builders import make_consent
from tests.builders_ledger import submit_many
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def poison(now):
    row = OutboxRow.objects.create(kind="a.b", key=uuid4(), entry_id=uuid4(), body=b"{ }", submitted_at=now)
    submit_many(2, now)
    return row


def test_a_record_that_blocks_is_kept_in_a_file_and_the_log_goes_on(poison, now, tmp_path, capsys):
    call_command("quarantine_record", str(poison.pk), "--to", str(tmp_path / "kept"))
    kept = json.loads((tmp_path / "kept").read_text())
    assert (kept["body"], kept["entry_id"], kept["named_by"]) == (b"{ }".hex(), str(poison.entry_id), [])
    assert "Nothing in the market names it." in capsys.readouterr().out
    assert sequence_batch(at=now) == 2


def test_says_which_row_of_the_market_names_it(sara, now, tmp_path, capsys):
    consent = make_consent(sara, now)
    row = OutboxRow.objects.get(entry_id=consent.entry_id)
    with owner_rights():
        OutboxRow.objects.filter(pk=row.pk).update(body=b"{ }")
    call_command("quarantine_record", str(row.pk), "--to", str(tmp_path / "kept"))
    assert f"consents_consent.entry_id of row {consent.pk} names it." in capsys.readouterr().out


def test_a_good_record_a_missing_one_and_a_file_that_is_there_are_refused(poison, tmp_path):
    good = OutboxRow.objects.exclude(pk=poison.pk).first()
    (tmp_path / "there").write_text("mine")
    for row, name, why in ((good.pk, "kept", "it stays"), (0, "kept", "No record 0"), (poison.pk, "there", "already")):
        with pytest.raises(CommandError, match=why):
            call_command("quarantine_record", str(row), "--to", str(tmp_path / name))
    assert OutboxRow.objects.count() == 3
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "mine"
