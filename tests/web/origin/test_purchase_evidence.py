"""The buyer's page: what it says of the origin, and the button that loads the evidence."""

import json

import pytest

from marketplace.delivery.models import Read
from tests.conftest import PASSWORD
from tests.delivery.test_evidence import Shop

pytestmark = pytest.mark.django_db


def log_in(client, user):
    assert client.login(email=user.email, password=PASSWORD)


@pytest.fixture
def shop(sara, ben, client):
    log_in(client, ben)
    return Shop(sara, ben)


def page_of(shop):
    return f"/purchases/{shop.purchase.public_id}/"


def test_the_button_loads_the_evidence_and_counts_it(shop, client):
    assert "Download the evidence" in client.get(page_of(shop)).content.decode()
    answer = client.post(f"{page_of(shop)}evidence/")
    lines = b"".join(answer.streaming_content).splitlines()
    assert json.loads(lines[0])["purchase"] == str(shop.purchase.public_id)
    assert json.loads(lines[-1])["end"]["envelopes"] == 2
    assert answer["Content-Disposition"] == f'attachment; filename="{shop.listing.share_name}.evidence.jsonl"'
    assert Read.objects.get().row_count == 120


def test_computed_rows_are_called_derived_and_have_statements(sara, ben, client):
    log_in(client, ben)
    shop = Shop(sara, ben, resolution="1h")
    text = client.get(page_of(shop)).content.decode()
    assert ("<em>derived</em>" in text, "Download the statements" in text) == (True, True)
    answer = client.post(f"{page_of(shop)}evidence/")
    end = json.loads(b"".join(answer.streaming_content).splitlines()[-1])
    assert end == {"end": {"envelopes": 0, "withheld": {"unstated": 1}}}
    assert Read.objects.get().row_count == 0


def test_without_a_working_token_nothing_is_loaded(shop, client):
    from marketplace.access.services import revoke_token

    revoke_token(token=shop.token, at=shop.at)
    assert "Make a token first." in client.get(page_of(shop)).content.decode()
    assert client.post(f"{page_of(shop)}evidence/").status_code == 422
    assert not Read.objects.exists()


def test_a_stranger_finds_nothing(shop, client, mallory):
    log_in(client, mallory)
    assert client.post(f"{page_of(shop)}evidence/").status_code == 404
    client.logout()
    assert client.post(f"{page_of(shop)}evidence/").status_code == 302
    assert not Read.objects.exists()


def test_looking_at_the_address_leads_to_the_page(shop, client):
    answer = client.get(f"{page_of(shop)}evidence/")
    assert (answer.status_code, answer["Location"]) == (302, page_of(shop))
