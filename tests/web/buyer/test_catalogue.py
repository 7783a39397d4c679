import pytest
from django.urls import reverse

from tests.builders import make_consent, make_listing
from tests.web.buyer.conftest import HTMX

pytestmark = pytest.mark.django_db
CATALOGUE = "/catalogue/"


def test_anybody_sees_what_is_for_sale(client, listing):
    page = client.get(CATALOGUE)
    assert page.status_code == 200
    assert reverse("catalogue") == CATALOGUE
    assert reverse("listing_page", args=[listing.public_id]) in page.text
    assert "1 listing" in page.text
    assert "EUR\N{NO-BREAK SPACE}5.00" in page.text


def test_htmx_gets_the_whole_page_too(client, listing):
    assert "<!DOCTYPE html>" in client.get(CATALOGUE, **HTMX).text


def test_the_address_holds_the_filters(client, listing):
    page = client.get(CATALOGUE, {"q": "roof", "category": "weather", "price": ["free", "5"], "sort": "price"})
    assert page.context["found"].total == 1
    assert 'name="category" value="weather" checked' in page.text
    assert [label for label, _ in page.context["chosen"]] == ["“roof”", "Weather", "Free", "Up to EUR 5"]


def test_the_usual_order_has_no_value_so_that_words_change_it(client, listing):
    assert ("", "Newest first", True) in client.get(CATALOGUE).context["sorts"]
    sorts = client.get(CATALOGUE, {"q": "roof", "sort": ""}).context["sorts"]
    assert sorts[-1] == ("", "Best match first", True)
    assert ("newest", "Newest first", False) in sorts


def test_dropping_one_choice_keeps_the_others(client, listing):
    page = client.get(CATALOGUE, {"q": "roof", "price": ["5", "free"], "after": listing.public_id})
    assert dict(page.context["chosen"])["Free"] == "?q=roof&price=5"


def test_no_match_says_what_to_drop(client, listing):
    page = client.get(CATALOGUE, {"q": "roof", "category": "energy"})
    assert page.status_code == 200
    assert "Drop category “Energy”" in page.text
    assert "1 listing" in page.text


def test_an_empty_market_says_what_will_be_here(client):
    assert "Listings will be here" in client.get(CATALOGUE).text


def test_a_typing_error_is_said(client, listing):
    assert "These come near" in client.get(CATALOGUE, {"q": "weathr"}).text


@pytest.mark.parametrize(
    "query",
    ["after=x", "sort=x", "price=x", "category=x", "measure=" + "x" * 99, "measure=" + "x" * 101, "q=" + "a" * 5000],
)
def test_nonsense_in_the_address_is_left_out(client, listing, query):
    assert client.get(f"{CATALOGUE}?{query}").status_code == 200


def test_a_stranger_does_not_see_what_is_for_named_people(client, as_ben, as_mallory, sara, ben, at):
    make_listing(sara, at, consent=make_consent(sara, at, audience="named", buyer_emails=[ben.email]), title="For Ben")
    assert "For Ben" not in client.get(CATALOGUE).text
    assert "For Ben" not in as_mallory.get(CATALOGUE).text
    assert "For Ben" in as_ben.get(CATALOGUE).text


def test_only_get_is_answered(client):
    assert client.post(CATALOGUE).status_code == 405
