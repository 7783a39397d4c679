"""The admin pages of people, offers and money, as staff of each group sees them."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from marketplace.accounts.groups import AUDITOR, OPERATOR
from marketplace.accounts.models import ApiKey, User
from marketplace.accounts.services import create_api_key
from marketplace.wallet.models import Transfer
from marketplace.wallet.services import account_of
from tests.builders import make_listing
from tests.builders_money import EURO, fill_wallet
from tests.conftest import make_person

pytestmark = pytest.mark.django_db

TABLES = [
    "accounts_user",
    "wallet_account",
    "wallet_transfer",
    "wallet_posting",
    "wallet_topup",
    "consents_consent",
    "listings_listing",
    "purchases_purchase",
]


@pytest.fixture
def staff(client):
    def log_in(group: str) -> User:
        person = make_person(group.lower())
        person.is_staff = True
        person.save()
        person.groups.add(Group.objects.get(name=group))
        client.force_login(person)
        return person

    return log_in


@pytest.fixture
def market(sara, ben, now):
    from marketplace.purchases.services import buy_listing

    listing = make_listing(sara, now)
    fill_wallet(ben, 10, now)
    return buy_listing(listing=listing, plan=listing.plans.get(), buyer=ben, quoted_micros=5 * EURO, at=now)


@pytest.mark.parametrize("table", TABLES)
def test_operators_find_and_open_every_row(client, staff, market, table):
    staff(OPERATOR)
    answer = client.get(reverse(f"admin:{table}_changelist"), {"q": str(market.public_id)})
    assert answer.status_code == 200
    answer = client.get(reverse(f"admin:{table}_changelist"))
    for row in answer.context["cl"].result_list:
        opened = client.get(reverse(f"admin:{table}_change", args=[row.pk]))
        assert opened.status_code == 200
        assert b'name="_save"' not in opened.content


@pytest.mark.parametrize("table", TABLES)
def test_auditors_and_strangers_see_none_of_it(client, staff, sara, table):
    staff(AUDITOR)
    assert client.get(reverse(f"admin:{table}_changelist")).status_code == 403
    client.force_login(sara)
    assert client.get(reverse(f"admin:{table}_changelist")).status_code == 302


@pytest.mark.parametrize("table", TABLES)
def test_operators_add_change_and_delete_nothing(client, staff, table):
    staff(OPERATOR)
    assert client.post(reverse(f"admin:{table}_add"), {}).status_code == 403
    assert client.post(reverse(f"admin:{table}_change", args=[1]), {}).status_code in {302, 403}
    assert client.post(reverse(f"admin:{table}_delete", args=[1]), {"post": "yes"}).status_code in {302, 403}


def test_nobody_edits_money_not_even_a_superuser(admin_client, market):
    for table, row in [("wallet_transfer", market.transfer), ("wallet_account", account_of(market.buyer))]:
        assert admin_client.get(reverse(f"admin:{table}_add")).status_code == 403
        assert admin_client.post(reverse(f"admin:{table}_change", args=[row.pk]), {"kind": "other"}).status_code == 403
        assert admin_client.post(reverse(f"admin:{table}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    assert Transfer.objects.get(pk=market.transfer.pk).kind == "purchase"


def test_a_superuser_adds_and_changes_people(admin_client):
    address = reverse("admin:accounts_user_add")
    assert admin_client.get(address).status_code == 200
    password = {"usable_password": "true", "password1": "correct-horse-battery", "password2": "correct-horse-battery"}
    answer = admin_client.post(address, {"email": "New@Example.Test", "display_name": "New", **password})
    assert answer.status_code == 302
    person = User.objects.get(email="new@example.test")
    page = admin_client.get(reverse("admin:accounts_user_change", args=[person.pk]))
    assert page.status_code == 200
    fields = {"email": person.email, "display_name": "Newer", "time_zone": "UTC", "is_active": "on"}
    assert admin_client.post(reverse("admin:accounts_user_change", args=[person.pk]), fields).status_code == 302
    person.refresh_from_db()
    assert person.display_name == "Newer"
    assert person.check_password("correct-horse-battery")


def test_an_address_in_other_letters_is_not_added_twice(admin_client, ben):
    password = {"usable_password": "true", "password1": "correct-horse-battery", "password2": "correct-horse-battery"}
    answer = admin_client.post(reverse("admin:accounts_user_add"), {"email": "BEN@example.test", **password})
    assert answer.status_code == 200
    assert User.objects.filter(email__iexact="ben@example.test").count() == 1


def test_a_password_that_a_superuser_sets_ends_the_person_s_keys(admin_client, ben, sara, now):
    create_api_key(user=ben, name="Script", at=now)
    kept, _ = create_api_key(user=sara, name="Script", at=now)
    address = reverse("admin:auth_user_password_change", args=[ben.pk])
    password = {"usable_password": "true", "password1": "other-horse-battery", "password2": "other-horse"}
    assert admin_client.post(address, password).status_code == 200
    assert ApiKey.objects.usable().count() == 2
    assert admin_client.post(address, password | {"password2": "other-horse-battery"}).status_code == 302
    assert list(ApiKey.objects.usable()) == [kept]
    ben.refresh_from_db()
    assert ben.check_password("other-horse-battery")
