import pytest

from marketplace.accounts.models import BillingProfile
from marketplace.accounts.services import particulars_of
from tests.web.buyer.conftest import HTMX

pytestmark = pytest.mark.django_db
BILLING = "/account/settings/billing/"
FIELDS = {"name": " Ben  Buyer ", "address": "Street 1 \r\n\r\n 1010  Vienna", "country": "AT", "vat_id": ""}


def test_billing_details_are_saved_and_changed(as_ben, ben):
    assert as_ben.post(BILLING, FIELDS).url == BILLING
    assert "Your billing details are saved" in as_ben.get(BILLING).text
    found = particulars_of(ben)
    assert (found.name, found.address, found.country, found.vat_id) == ("Ben Buyer", "Street 1\n1010 Vienna", "AT", "")
    assert found.evidence[0][0] == "AT"
    as_ben.post(BILLING, FIELDS | {"vat_id": "atu 57194903"})
    assert BillingProfile.objects.get(user=ben).vat_id == "ATU57194903"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": " "}, "Enter the name"),
        ({"address": ""}, "Enter the address"),
        ({"country": ""}, "Choose your country"),
        ({"country": "XX"}, "not one of the available choices"),
        ({"vat_id": "ATU57194904"}, "This is not a VAT id of Austria"),
        ({"vat_id": "DE100000008"}, "This is not a VAT id of Austria"),
        ({"vat_id": "x" * 41}, "at most 40 characters"),
        ({"country": "US", "vat_id": "123"}, "VAT ids are for the European Union"),
    ],
)
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_wrong_billing_details_are_refused(as_ben, change, words, headers):
    answer = as_ben.post(BILLING, FIELDS | change, **headers)
    assert answer.status_code == 422
    assert words in answer.text
    assert ("<!DOCTYPE html>" in answer.text) is not bool(headers)
    assert not BillingProfile.objects.exists()


def test_visitors_are_asked_to_log_in(client):
    assert client.get(BILLING).status_code == 302
    assert client.post(BILLING, FIELDS).status_code == 302
    assert not BillingProfile.objects.exists()
