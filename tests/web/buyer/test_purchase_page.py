from datetime import timedelta

import pytest
from django.urls import reverse

from ledger.services import sequence_batch
from marketplace.access.models import AccessToken
from marketplace.access.services import issue_token
from marketplace.consents.services import withdraw_consent
from marketplace.invoices.services import issue_due
from marketplace.purchases.services import withdraw_consent_with_refunds, withdraw_listing_with_refunds
from marketplace.web.buyer.snippets import profile_name
from tests.web.buyer.conftest import HTMX

pytestmark = pytest.mark.django_db


def address(purchase, name="purchase_page"):
    return reverse(name, args=[purchase.public_id])


def test_follows_by_itself_until_the_data_is_ready(as_ben, purchase, at):
    status = address(purchase, "purchase_status")
    page = as_ben.get(address(purchase))
    assert f'hx-get="{status}"' in page.text
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert "Being recorded in the log" in page.text

    sequence_batch(at=at)
    assert "Recorded as entry" in as_ben.get(status, **HTMX).text
    assert f'hx-get="{status}"' in as_ben.get(status, **HTMX).text

    from marketplace.delivery.services import refresh_table

    refresh_table(listing=purchase.listing, at=at + timedelta(seconds=1))
    fragment = as_ben.get(status, **HTMX).text
    assert f'hx-get="{status}"' not in fragment
    assert "Data ready" in fragment
    assert address(purchase, "token_create") in fragment


def test_the_status_is_a_fragment_and_never_a_page(as_ben, purchase):
    for headers in ({}, HTMX):
        text = as_ben.get(address(purchase, "purchase_status"), **headers).text
        assert "<html" not in text
        assert text.lstrip().startswith('<div class="sections" id="purchase-progress"')


def test_looking_changes_nothing(as_ben, ready):
    as_ben.get(address(ready))
    as_ben.get(address(ready, "purchase_status"), **HTMX)
    assert not AccessToken.objects.exists()


def test_says_what_is_allowed_and_how_to_load_it(as_ben, ready):
    text = as_ben.get(address(ready)).text
    for words in ("Academic research", "load_as_pandas", "deltaSharing", "curl", "http://testserver/delta-sharing/"):
        assert words in text
    assert f"{profile_name(ready)}#{ready.listing.share_name}.data.readings" in text


def test_a_withdrawal_is_said_and_nothing_is_offered(as_ben, ready, at):
    withdraw_consent(consent=ready.listing.consent, at=at)
    text = as_ben.get(address(ready)).text
    assert "The owner has withdrawn the consent" in text
    assert address(ready, "token_create") not in text
    assert "Load them until" not in text


def test_the_letter_of_a_withdrawn_listing_blames_no_consent(as_ben, ready, at):
    withdraw_listing_with_refunds(listing=ready.listing, at=at + timedelta(minutes=1))
    text = as_ben.get(reverse("notice_list")).text
    assert "Your tokens for it are refused from now on" in text
    assert "consent behind" not in text


def test_a_withdrawal_leaves_the_refund_and_the_duty_to_delete_on_the_page(as_ben, ready, at):
    withdraw_consent_with_refunds(consent=ready.listing.consent, at=at + timedelta(minutes=1))
    text = as_ben.get(address(ready)).text
    assert "EUR\N{NO-BREAK SPACE}5.00 came back to your wallet" in text
    assert "Delete every copy that you hold by" in text
    issue_due(at=at + timedelta(minutes=2))
    assert "credit note CN-" in as_ben.get(address(ready)).text


def test_what_waited_for_a_token_comes_with_it(as_ben, ready):
    assert "Make a token first" in as_ben.get(address(ready)).text
    made = as_ben.post(address(ready, "token_create"), {"first": "1"}, **HTMX).text
    assert 'id="purchase-origin" hx-swap-oob="outerMorph"' in made
    assert "Make a token first" not in made


def test_a_withdrawal_ends_every_token_on_the_pages(as_ben, ready, at):
    token, _ = issue_token(purchase=ready, at=at)
    before = as_ben.get(address(ready)).text
    assert '<span class="tag tag-proven">works</span>' in before
    assert "access ends" in as_ben.get(reverse("home")).text
    withdraw_consent(consent=ready.listing.consent, at=at)
    text = as_ben.get(address(ready)).text
    assert token.prefix in text
    assert '<span class="tag">ended</span>' in text
    assert "works" not in text
    assert reverse("token_rotation", args=[token.public_id]) not in text
    home = as_ben.get(reverse("home")).text
    assert "access has ended" in home
    assert "access ends" not in home


@pytest.mark.parametrize("name", ["purchase_page", "purchase_status", "purchase_receipt"])
def test_others_do_not_find_it(client, as_mallory, as_sara, purchase, name):
    assert as_mallory.get(address(purchase, name)).status_code == 404
    assert as_sara.get(address(purchase, name)).status_code == 404
    assert client.get(address(purchase, name)).status_code == 302


def test_the_receipt_adds_up(as_ben, ready):
    text = as_ben.get(address(ready, "purchase_receipt")).text
    for words in (
        "EUR\N{NO-BREAK SPACE}4.60",
        "EUR\N{NO-BREAK SPACE}0.40",
        "EUR\N{NO-BREAK SPACE}5.00",
        str(ready.public_id),
    ):
        assert words in text


def test_the_list_holds_ones_own_purchases(as_ben, as_mallory, purchase):
    assert address(purchase) in as_ben.get("/purchases/").text
    page = as_mallory.get("/purchases/")
    assert address(purchase) not in page.text
    assert "What you buy will be here" in page.text


def test_the_list_asks_to_log_in(client):
    assert client.get("/purchases/").status_code == 302
