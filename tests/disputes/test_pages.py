"""The pages of refunds and disputes: who sees them, what a refused form says, and that strangers see nothing."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse
from django.utils import timezone

from marketplace.accounts.groups import AUDITOR, OPERATOR
from marketplace.disputes.models import Dispute
from marketplace.disputes.services import open_dispute
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.models import Refund
from marketplace.purchases.services import buy_listing, start_clock, withdraw_consent_with_refunds
from tests.builders import EURO, make_listing
from tests.builders_money import fill_wallet
from tests.conftest import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def bought(sara, ben):
    """In real time, because pages ask the clock."""
    at = timezone.now() - timedelta(minutes=1)
    fill_wallet(ben, 5, at)
    listing = make_listing(sara, at, plans=(PlanTerms("one_off", 5 * EURO),))
    return buy_listing(listing=listing, plan=listing.plans.get(), buyer=ben, quoted_micros=5 * EURO, at=at)


@pytest.fixture
def opened(bought):
    return open_dispute(purchase=bought, reason="wrong", text="Every night reads 85 degrees.", at=timezone.now())


def page(name, of):
    return reverse(name, args=[of.public_id])


def test_a_buyer_gives_back_after_being_asked(client, ben, bought):
    client.force_login(ben)
    asked = client.get(page("purchase_refund", bought))
    assert "EUR\N{NO-BREAK SPACE}5.00" in asked.content.decode()
    assert not Refund.objects.exists()
    answer = client.post(page("purchase_refund", bought), follow=True)
    assert "EUR\N{NO-BREAK SPACE}5.00 is back in your wallet" in answer.content.decode()
    again = client.post(page("purchase_refund", bought))
    assert again.status_code == 422
    assert "nothing_to_refund" in again.content.decode()
    assert Refund.objects.count() == 1


def test_a_withdrawal_that_gives_all_back_leaves_nothing_to_decide(client, ben, bought, opened):
    client.force_login(ben)
    assert "Nothing is on hold any more" not in client.get(page("purchase_dispute", bought)).content.decode()
    withdraw_consent_with_refunds(consent=bought.listing.consent, at=timezone.now())
    text = client.get(page("purchase_dispute", bought)).content.decode()
    assert "Nothing is on hold any more" in text
    assert "EUR\N{NO-BREAK SPACE}5.00, to the buyer’s wallet" in text
    assert "None of the money is on hold any more." in client.get(page("purchase_page", bought)).content.decode()


@pytest.mark.parametrize("name", ["purchase_refund", "purchase_dispute"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_strangers_see_no_purchase(client, mallory, bought, name, method):
    address = page(name, bought)
    assert getattr(client, method)(address).status_code == 302
    client.force_login(mallory)
    assert getattr(client, method)(address, {"reason": "wrong", "text": "x"}).status_code == 404
    assert not Refund.objects.exists()
    assert not Dispute.objects.exists()


def test_a_seller_neither_gives_back_nor_opens(client, sara, bought):
    client.force_login(sara)
    assert client.post(page("purchase_refund", bought)).status_code == 404
    client.post(page("purchase_dispute", bought), {"reason": "wrong", "text": "x"})
    assert not Dispute.objects.exists()


def test_a_buyer_opens_and_the_owner_answers(client, ben, sara, bought):
    start_clock(purchase=bought, at=timezone.now())
    client.force_login(ben)
    assert client.post(page("purchase_dispute", bought), {"reason": "wrong", "text": " "}).status_code == 422
    client.post(page("purchase_dispute", bought), {"reason": "wrong", "text": "Too hot."})
    dispute = Dispute.objects.get()
    assert client.post(page("dispute_answer", dispute), {"text": "I am the owner."}).status_code == 404
    client.force_login(sara)
    assert "Too hot." in client.get(page("purchase_dispute", bought)).content.decode()
    client.post(page("dispute_answer", dispute), {"text": "It stands in the sun."})
    again = client.post(page("dispute_answer", dispute), {"text": "And again."})
    assert again.status_code == 422
    dispute.refresh_from_db()
    assert dispute.answer == "It stands in the sun."
    assert client.post(page("dispute_closing", dispute)).status_code == 404


@pytest.mark.parametrize("name", ["dispute_answer", "dispute_closing"])
def test_strangers_move_no_dispute(client, mallory, opened, name):
    client.force_login(mallory)
    assert client.post(page(name, opened), {"text": "x"}).status_code == 404
    opened.refresh_from_db()
    assert opened.is_open
    assert not opened.answer


def staff(name):
    person = make_person(f"staff-{name.lower()}")
    person.is_staff = True
    person.save()
    person.groups.add(Group.objects.get(name=name))
    return person


def test_an_operator_decides_and_an_auditor_does_not(client, opened, ben):
    Dispute.objects.update(opened_at=timezone.now() - timedelta(days=8))
    address = reverse("admin:disputes_dispute_decision", args=[opened.pk])
    terms = {"refund": "2.00", "text": "Half of it was wrong."}
    client.force_login(ben)
    assert client.post(address, terms).status_code == 302
    client.force_login(staff(AUDITOR))
    assert client.post(address, terms).status_code == 403
    assert Dispute.objects.get().is_open
    client.force_login(staff(OPERATOR))
    assert client.post(address, {"refund": "5.01", "text": "x"}).status_code == 422
    assert client.post(address, {"refund": "-1", "text": "x"}).status_code == 422
    assert client.post(address, terms).status_code == 302
    assert Refund.objects.get().amount_micros == 2 * EURO
    assert client.post(address, terms).status_code == 422
    assert Refund.objects.count() == 1
