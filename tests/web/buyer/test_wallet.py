from uuid import uuid4

import pytest
from django.urls import reverse

from marketplace.wallet.models import Posting, TopUp
from marketplace.wallet.services import account_of, balance_micros, start_top_up
from marketplace.web.buyer import statement
from tests.builders import EURO
from tests.web.buyer.conftest import HTMX, fill_wallet

pytestmark = pytest.mark.django_db
WALLET, TOP_UPS = "/wallet/", "/wallet/top-ups/"


def ask(amount="12.40", **more):
    return {"amount": amount, "idempotency_key": uuid4(), **more}


@pytest.fixture
def top_up(ben, at):
    return start_top_up(user=ben, amount_micros=12_400_000, at=at)


def outcome(top_up):
    return reverse("top_up_outcome", args=[top_up.public_id])


def test_the_statement_says_what_and_what_was_left(as_ben, as_sara, purchase):
    text = as_ben.get(WALLET).text
    for words in (
        "Bought: Roof weather",
        "Top-up",
        "\N{MINUS SIGN}EUR\N{NO-BREAK SPACE}5.00",
        "EUR\N{NO-BREAK SPACE}15.00",
    ):
        assert words in text
    assert "Roof weather" not in as_sara.get(WALLET).text


def test_the_statement_has_pages(as_ben, ben, at, monkeypatch):
    monkeypatch.setattr(statement, "PAGE_SIZE", 2)
    for euros in (1, 2, 3, 4, 5):
        fill_wallet(ben, at, euros)
    seen: list[tuple[int, int]] = []
    query: dict[str, object] = {}
    while True:
        found = as_ben.get(WALLET, query).context["statement"]
        seen += [(line["amount_micros"] // EURO, line["balance_micros"] // EURO) for line in found.lines]
        if found.next_before is None:
            break
        query = {"before": found.next_before}
    assert seen == [(5, 15), (4, 10), (3, 6), (2, 3), (1, 1)]


def test_an_empty_wallet_says_what_will_be_here(as_ben):
    assert "will be a line here" in as_ben.get(WALLET, {"before": "x"}).text


def test_the_missing_amount_is_filled_in(as_ben):
    assert 'value="9.40"' in as_ben.get(WALLET, {"amount": "9.40", "next": "/catalogue/"}).text


def test_a_top_up_leads_to_the_provider_and_back(as_ben, ben):
    answer = as_ben.post(TOP_UPS, ask(next="/catalogue/?q=a"))
    top_up = TopUp.objects.get()
    assert top_up.amount_micros == 12_400_000
    assert answer.url == f"{reverse('top_up_page', args=[top_up.public_id])}?next=%2Fcatalogue%2F%3Fq%3Da"
    assert "Pay EUR\N{NO-BREAK SPACE}12.40" in as_ben.get(answer.url).text
    back = as_ben.post(outcome(top_up), {"outcome": "pay", "next": "/catalogue/?q=a"})
    assert back.url == "/catalogue/?q=a"
    assert balance_micros(account_of(ben)) == 12_400_000


def test_the_same_form_twice_starts_one_top_up(as_ben):
    fields = ask()
    assert as_ben.post(TOP_UPS, fields).url == as_ben.post(TOP_UPS, fields).url
    assert TopUp.objects.count() == 1


def test_htmx_is_sent_to_the_provider(as_ben):
    answer = as_ben.post(TOP_UPS, ask(), **HTMX)
    assert answer["HX-Redirect"].startswith(TOP_UPS)


WRONG_AMOUNTS = ["", "0.99", "5000.01", "1.001", "-3", "x", "NaN", "1e9"]
# What Python's Decimal reads as an amount, or might.
NOT_WRITTEN_AS_MONEY = ["1e3", "1_000", "١٢", "１２", "5.", ".5", "+5", "1,5", "0x10"]


@pytest.mark.parametrize("amount", [*WRONG_AMOUNTS, *NOT_WRITTEN_AS_MONEY])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_wrong_amount_is_refused(as_ben, amount, headers):
    answer = as_ben.post(TOP_UPS, ask(amount), **headers)
    assert answer.status_code == 422
    assert ("<!DOCTYPE html>" in answer.text) is not bool(headers)
    assert not TopUp.objects.exists()


def test_a_declined_payment_moves_nothing(as_ben, ben, top_up):
    answer = as_ben.post(outcome(top_up), {"outcome": "decline", "next": "/catalogue/?q=a"})
    assert answer.url == f"{WALLET}?amount=12.40&next=%2Fcatalogue%2F%3Fq%3Da#top-up"
    assert not Posting.objects.exists()
    page = as_ben.get(answer.url).text
    assert "was declined" in page
    assert 'value="12.40"' in page
    assert '<a class="button button-quiet" href="/catalogue/?q=a">Back to the purchase</a>' in page


def test_a_declined_payment_is_tried_again_with_the_same_amount(as_ben, top_up):
    as_ben.post(outcome(top_up), {"outcome": "decline"})
    page = as_ben.get(reverse("top_up_page", args=[top_up.public_id]), {"next": "/catalogue/"}).text
    assert f'href="{WALLET}?amount=12.40&amp;next=%2Fcatalogue%2F#top-up">Try again</a>' in page
    assert 'href="/catalogue/">Back to the purchase</a>' in page


@pytest.mark.parametrize("address", ["https://evil.test/", "//evil.test", "evil"])
def test_the_way_back_leads_to_no_foreign_address(as_ben, top_up, address):
    page = reverse("top_up_page", args=[top_up.public_id])
    for answer in (as_ben.get(WALLET, {"next": address}), as_ben.post(TOP_UPS, ask("x", next=address))):
        assert "Back to the purchase" not in answer.text
    as_ben.post(outcome(top_up), {"outcome": "decline", "next": address})
    assert "evil" not in as_ben.get(page, {"next": address}).text


def test_a_refused_amount_keeps_the_way_back(as_ben):
    assert 'href="/catalogue/">Back to the purchase</a>' in as_ben.post(TOP_UPS, ask("x", next="/catalogue/")).text


def test_the_same_outcome_twice_pays_once_and_another_is_refused(as_ben, ben, top_up):
    for _ in range(2):
        assert as_ben.post(outcome(top_up), {"outcome": "pay"}).status_code == 302
    answer = as_ben.post(outcome(top_up), {"outcome": "decline"})
    assert answer.status_code == 422
    assert "top_up_settled" in answer.text
    assert balance_micros(account_of(ben)) == 12_400_000


def test_an_unknown_outcome_is_refused(as_ben, top_up):
    assert as_ben.post(outcome(top_up), {"outcome": "steal"}).status_code == 422
    assert not Posting.objects.exists()


@pytest.mark.parametrize(
    "address", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "evil"]
)
def test_nobody_is_sent_to_a_foreign_address(as_ben, top_up, address):
    assert as_ben.post(outcome(top_up), {"outcome": "pay", "next": address}).url == WALLET


def test_others_do_not_find_a_top_up(client, as_mallory, top_up):
    page = reverse("top_up_page", args=[top_up.public_id])
    assert as_mallory.get(page).status_code == 404
    assert as_mallory.post(outcome(top_up), {"outcome": "pay"}).status_code == 404
    assert client.post(outcome(top_up), {"outcome": "pay"}).status_code == 302
    top_up.refresh_from_db()
    assert top_up.state == "pending"


@pytest.mark.parametrize("address", [WALLET, TOP_UPS])
def test_somebody_unknown_is_asked_to_log_in(client, address):
    answer = client.get(address) if address == WALLET else client.post(address, ask())
    assert answer.status_code == 302
    assert not TopUp.objects.exists()


def test_looking_at_the_provider_changes_nothing(as_ben, top_up):
    page = reverse("top_up_page", args=[top_up.public_id])
    as_ben.get(page)
    assert as_ben.get(outcome(top_up)).url == page
    assert as_ben.get(TOP_UPS).url == WALLET
    top_up.refresh_from_db()
    assert top_up.state == "pending"
