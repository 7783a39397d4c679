import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command

from marketplace.accounts.groups import AUDITOR, OPERATOR
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db


def granted(name):
    rows = Group.objects.get(name=name).permissions.values_list("content_type__app_label", "codename")
    return {f"{label}.{codename}" for label, codename in rows}


def test_auditors_look_at_the_ledger_and_verify_it():
    names = granted(AUDITOR)
    assert {"ledger.view_entry", "ledger.view_checkpoint", "ledger.view_outboxrow", "ledger.verify_log"} <= names
    assert {name.split(".")[0] for name in names} == {"ledger"}


def test_operators_see_the_market_too():
    names = granted(OPERATOR)
    assert granted(AUDITOR) < names
    for seen in ("accounts.view_user", "wallet.view_transfer", "consents.view_consent", "purchases.view_purchase"):
        assert seen in names


@pytest.mark.parametrize("name", [AUDITOR, OPERATOR])
def test_no_group_changes_anything_or_sees_a_secret(name):
    names = {permission.split(".")[1] for permission in granted(name)}
    acts = {permission for permission in names if not permission.startswith("view_")}
    # Deciding a dispute is the one act of an operator, and it is in the log.
    assert acts == ({"verify_log", "decide_dispute"} if name == OPERATOR else {"verify_log"})
    assert not {"view_commitmentsecret", "view_apikey"} & names


@pytest.mark.django_db(transaction=True)
def test_migrating_again_keeps_what_an_administrator_gave(monkeypatch):
    from django.contrib.auth.models import Permission

    auditors = Group.objects.get(name=AUDITOR)
    auditors.permissions.add(Permission.objects.get(codename="view_device"))
    before = granted(AUDITOR)
    with owner_rights():
        call_command("migrate", verbosity=0)
    assert granted(AUDITOR) == before
    assert Group.objects.filter(name=AUDITOR).count() == 1
