"""What a purchase page learns after its data is ready, without being loaded anew."""

import re
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from ledger.services import sequence_batch
from marketplace.access.models import AccessToken
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.models import Read
from tests.web.buyer.conftest import HTMX

pytestmark = pytest.mark.django_db
POLL = re.compile(r'hx-get="([^"]+/news/[^"]*)" hx-trigger="every (\d+)s"')


def page_of(purchase):
    return reverse("purchase_page", args=[purchase.public_id])


def poll_in(answer):
    found = POLL.search(answer.text)
    return (unescape(found[1]), int(found[2])) if found else (None, None)


def part(answer, id_):
    """From the element with this id up to the next one that is swapped in."""
    found = re.search(
        rf'<\w+[^>]*id="{id_}"[^>]*hx-swap-oob="outerMorph">.*?(?=hx-swap-oob|\Z)', answer.text, re.DOTALL
    )
    return found[0] if found else ""


def make_token(client, purchase):
    return client.post(reverse("token_create", args=[purchase.public_id]), {"first": "1"}, **HTMX)


def test_the_ready_page_goes_on_asking(as_ben, ready):
    address, seconds = poll_in(as_ben.get(page_of(ready)))
    assert address.startswith(reverse("purchase_news", args=[ready.public_id]))
    assert seconds == 10
    assert "purchase_status" not in as_ben.get(page_of(ready)).text
    assert poll_in(as_ben.get(reverse("purchase_status", args=[ready.public_id]), **HTMX)) == (address, seconds)


def test_nothing_new_is_said_with_nothing(as_ben, ready):
    address, _ = poll_in(as_ben.get(page_of(ready)))
    answer = as_ben.get(address, **HTMX)
    assert (answer.status_code, answer.content) == (204, b"")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("act", ["create", "rotate"])
def test_a_new_token_is_seen_recorded_while_it_stays_on_the_page(as_ben, ready, at, act):
    make_token(as_ben, ready)
    if act == "rotate":
        shown = as_ben.post(reverse("token_rotation", args=[AccessToken.objects.get().public_id]))
    else:
        shown = as_ben.get(page_of(ready))
    address, seconds = poll_in(shown)
    assert seconds == 2
    assert as_ben.get(address, **HTMX).status_code == 204

    sequence_batch(at=at)
    answer = as_ben.get(address, **HTMX)
    assert "Entry " in part(answer, "purchase-tokens")
    assert "seal-waiting" not in answer.text
    assert "secret-value" not in answer.text
    assert 'id="purchase-access"' not in answer.text
    again, seconds = poll_in(answer)
    assert seconds == 10
    assert as_ben.get(again, **HTMX).status_code == 204


def test_the_answer_with_a_new_token_asks_soon_how_its_record_is(as_ben, ready):
    assert poll_in(make_token(as_ben, ready))[1] == 2


def test_the_mark_of_a_page_that_does_not_know_the_token_leads_to_news(as_ben, ready):
    address, _ = poll_in(as_ben.get(page_of(ready)))
    make_token(as_ben, ready)
    assert AccessToken.objects.get().prefix in part(as_ben.get(address, **HTMX), "purchase-tokens")


def test_stepper_and_seal_come_from_one_state(as_ben, ready, monkeypatch):
    monkeypatch.setattr("marketplace.web.buyer.orders.WitnessMemory.objects.exists", lambda: True)
    page = as_ben.get(page_of(ready))
    assert "Being witnessed" in page.text
    address, seconds = poll_in(page)
    assert seconds == 2

    monkeypatch.setattr("marketplace.web.records.final_size", lambda: 10_000)
    answer = as_ben.get(address, **HTMX)
    assert "Enough witnesses have cosigned it" in part(answer, "purchase-steps")
    assert "Being witnessed" not in answer.text
    assert "seal-final" in part(answer, "purchase-seal")
    assert poll_in(answer)[1] == 10


def test_a_read_is_counted_on_the_open_page(as_ben, ready):
    make_token(as_ben, ready)
    page = as_ben.get(page_of(ready))
    assert "Nobody has loaded it yet" in page.text
    Read.objects.create(
        purchase=ready,
        token=AccessToken.objects.get(),
        at=timezone.now(),
        door=Read.Door.values[0],
        row_count=1234,
        byte_count=99,
    )
    use = part(as_ben.get(poll_in(page)[0], **HTMX), "purchase-use")
    assert "1,234" in use
    assert "Nobody has loaded it yet" not in use


def test_a_withdrawal_is_told_and_then_nothing_is_asked(as_ben, ready, at):
    make_token(as_ben, ready)
    page = as_ben.get(page_of(ready))
    withdraw_consent(consent=ready.listing.consent, at=at)
    sequence_batch(at=at)
    answer = as_ben.get(poll_in(page)[0], **HTMX)
    assert "The owner has withdrawn the consent" in part(answer, "purchase-access")
    assert "ended" in part(answer, "purchase-until")
    assert answer.text.count('id="purchase-tokens"') == answer.text.count('id="purchase-seal"') == 1
    assert poll_in(answer) == (None, None)


def test_a_token_before_the_data_is_ready_stays_on_the_page(as_ben, purchase, at):
    sequence_batch(at=at)
    page = as_ben.post(reverse("token_create", args=[purchase.public_id]))
    assert "secret-value" in page.text
    assert reverse("purchase_status", args=[purchase.public_id]) not in page.text
    assert poll_in(page)[1] == 2


def test_others_hear_nothing(client, as_mallory, as_sara, ready):
    address = reverse("purchase_news", args=[ready.public_id])
    assert as_mallory.get(address).status_code == as_sara.get(address).status_code == 404
    assert client.get(address).status_code == 302
    assert as_mallory.post(address).status_code == 405
