"""Operators find every document in the admin panel; nobody else does, and nobody changes one."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from marketplace.accounts.groups import AUDITOR, OPERATOR
from marketplace.accounts.models import User
from marketplace.invoices.models import Invoice
from marketplace.invoices.services import issue_due
from marketplace.purchases.models import Purchase
from tests.builders_money import fill_wallet
from tests.conftest import make_person

pytestmark = pytest.mark.django_db
LIST = "/admin/invoices/invoice/"


@pytest.fixture
def issued(buy: Callable[..., Purchase], now) -> list[Invoice]:
    buy(), buy()
    issue_due(at=now)
    return list(Invoice.objects.order_by("pk"))


def staff_client(group: str) -> Client:
    person = make_person(f"staff-{group.lower()}")
    person.is_staff = True
    person.save()
    person.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(person)
    return client


def numbers_in(client: Client, query: str) -> set[str]:
    text = client.get(LIST + query).text
    return {invoice.full_number for invoice in Invoice.objects.all() if invoice.full_number in text}


def test_operators_search_by_number_person_and_series(issued: list[Invoice]):
    operator = staff_client(OPERATOR)
    first, second = (invoice.full_number for invoice in issued)
    found = {
        "": {first, second},
        f"?q={first.lower()}": {first},
        "?q=ben@example.test": {first, second},
        "?q=mallory@example.test": set(),
        "?q=XY-2026-000001": set(),
        "?series__exact=credit_note": set(),
        f"?year={issued[0].year}&tax_treatment={issued[0].tax_treatment}": {first, second},
        f"?issued_at__year={issued[0].issued_at.year + 1}": set(),
    }
    for query, numbers in found.items():
        # What was searched for stands in its field as it was typed, so a small letter tells the two apart.
        assert numbers_in(operator, query) == numbers, query


def test_operators_see_what_was_known_of_the_place_and_get_the_file(issued: list[Invoice]):
    operator, invoice = staff_client(OPERATOR), issued[0]
    page = operator.get(f"{LIST}{invoice.pk}/change/").text
    assert f"<li>AT: billing address of {invoice.issued_at:%Y-%m-%d}</li>" in page
    assert 'name="_save"' not in page
    file = reverse("invoice_file", args=[invoice.public_id])
    assert file in page
    assert operator.get(file).content.startswith(b"%PDF-")
    assert operator.get(reverse("invoice_page", args=[invoice.public_id])).status_code == 404
    assert operator.post(f"{LIST}{invoice.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Invoice.objects.count() == 2


def test_strangers_and_auditors_see_nothing(issued: list[Invoice], mallory: User, client: Client):
    file = reverse("invoice_file", args=[issued[0].public_id])
    client.force_login(mallory)
    assert client.get(LIST)["Location"].startswith("/admin/login/")
    assert client.get(file).status_code == 404
    # A group alone opens nothing: whoever is no staff any more keeps only what is their own.
    mallory.groups.add(Group.objects.get(name=OPERATOR))
    assert client.get(file).status_code == 404
    auditor = staff_client(AUDITOR)
    assert auditor.get(LIST).status_code == 403
    assert auditor.get(file).status_code == 404


def test_more_documents_cost_no_more_queries(issued, buy, known_ben, now, django_assert_max_num_queries):
    operator = staff_client(OPERATOR)
    fill_wallet(known_ben, 500, now)
    for _ in range(10):
        buy()
    issue_due(at=now)
    with django_assert_max_num_queries(20):
        assert len(numbers_in(operator, "")) == 12


def test_buyers_see_what_was_known_of_their_place(issued: list[Invoice], known_ben: User, client: Client):
    client.force_login(known_ben)
    page = client.get(reverse("invoice_page", args=[issued[0].public_id])).text
    assert f"Austria (your billing address of {issued[0].issued_at:%Y-%m-%d})" in page
