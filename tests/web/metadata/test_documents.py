"""What programs read about listings: valid by their own validators, and nothing that the page does not show."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import pytest
from django.test import Client
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.services import refresh_table
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing, Plan
from marketplace.listings.services import make_offer
from marketplace.web.views import metadata
from tests.builders import EURO, make_consent, make_listing
from tests.builders_delivery import day_start, make_stocked_listing, minutes
from tests.web.metadata.checks import check_croissant, check_dcat, document
from tests.web.metadata.rules import DATASPACE_CATALOG, DATASPACE_DATASET

pytestmark = pytest.mark.django_db

PLANS = (
    PlanTerms("free", 0),
    PlanTerms("period", 12_340_000, 30 * 86_400, is_renewing=True),
    PlanTerms("metered", micros_per_1000_rows=EURO, free_rows=100, cap_micros=20 * EURO),
    PlanTerms("trial", trial_rows=1_000),
)
NAMES = list(metadata.DOCUMENTS)


@pytest.fixture
def listing(sara: User) -> Listing:
    at = timezone.now()
    _, listing = make_stocked_listing(sara, at, readings=minutes(day_start(at, 2), 900), plans=PLANS)
    refresh_table(listing=listing, at=at)
    return listing


def test_dcat_conforms_to_the_application_profile(client: Client, listing: Listing) -> None:
    graph = check_dcat(document(client, listing, "dcat.jsonld"))
    words = "PREFIX o: <http://www.w3.org/ns/odrl/2/> SELECT ?a WHERE { ?d o:hasPolicy/o:permission/o:action ?a }"
    found = [str(row[0]) for row in graph.query(words)]  # type: ignore[index]  # rows of a SELECT
    assert found == ["http://www.w3.org/ns/odrl/2/use"] * len(PLANS)


def test_the_rules_find_what_is_missing(client: Client, listing: Listing) -> None:
    content = document(client, listing, "dcat.jsonld")
    for name in ("dct:title", "dct:description"):
        broken = json.loads(json.dumps(content))
        del broken["@graph"][0][name]
        with pytest.raises(AssertionError, match="Less than 1 values"):
            check_dcat(broken)


def test_croissant_is_valid_and_its_sample_loads(client: Client, listing: Listing, tmp_path: Any) -> None:
    records = check_croissant(client, document(client, listing, "croissant.json"), tmp_path)
    assert len(records) > 5
    assert set(records[0]) == {"readings/time", "readings/device", "readings/air_temperature"}


@pytest.mark.parametrize("name", ["dataspace.json", "catalog/dataspace"])
def test_dataspaces_read_the_offers(client: Client, listing: Listing, name: str) -> None:
    if name == "dataspace.json":
        content = document(client, listing, name)
        jsonschema.validate(content, DATASPACE_DATASET)
        dataset = content
    else:
        content = json.loads(client.get(f"/{name}").content)
        jsonschema.validate(content, DATASPACE_CATALOG)
        (dataset,) = content["dataset"]
    prices = {
        duty["constraint"][0]["rightOperand"]
        for offer in dataset["hasPolicy"]
        for duty in offer["permission"][0].get("duty", [])
    }
    assert prices == {"12.34", "1.00"}
    limits = {one["leftOperand"]: one["rightOperand"] for one in dataset["hasPolicy"][1]["permission"][0]["constraint"]}
    assert limits["elapsedTime"] == "P30D"
    assert limits["purpose"] == ["https://w3id.org/dpv#AcademicResearch"]


def test_search_engines_find_it_in_the_page(client: Client, listing: Listing) -> None:
    page = client.get(f"/listings/{listing.public_id}/").content.decode()
    start = page.index('<script type="application/ld+json">') + len('<script type="application/ld+json">')
    content = json.loads(page[start : page.index("</script>", start)])
    assert content == document(client, listing, "schema.jsonld")
    assert (content["@type"], content["name"], content["isAccessibleForFree"]) == ("Dataset", listing.title, True)
    assert [offer.get("price") for offer in content["offers"]] == ["0.00", "12.34", None, "0.00"]
    assert content["offers"][2]["priceSpecification"]["referenceQuantity"]["value"] == 1000
    assert content["variableMeasured"][0]["unitText"] == "Cel"
    assert content["license"].endswith("#licence")


def test_a_title_can_not_end_the_element(client: Client, sara: User) -> None:
    at = timezone.now()
    listing = make_listing(sara, at, title="</script><script>alert(1)</script>")
    page = client.get(f"/listings/{listing.public_id}/").content.decode()
    assert "<script>alert" not in page
    assert "\\u003C/script\\u003E" in page


def test_says_nothing_that_the_page_does_not_show(client: Client, listing: Listing, sara: User) -> None:
    at = timezone.now()
    make_offer(
        listing=listing, terms=PlanTerms("one_off", 999 * EURO), email="ben@example.org", until=at + timedelta(5), at=at
    )
    for name in [f"listings/{listing.public_id}/{one}" for one in NAMES] + ["catalog", "catalog/dataspace"]:
        text = client.get(f"/{name}").content.decode()
        device = listing.consent.devices.get()
        for secret in (sara.email, str(sara.public_id), "999.00", "ben@example.org", str(device.public_id)):
            assert secret not in text, (name, secret)


@pytest.mark.parametrize("name", [*NAMES, "sample.csv"])
def test_what_is_not_for_everybody_is_not_there(client: Client, sara: User, name: str) -> None:
    at = timezone.now()
    named = make_listing(sara, at, consent=make_consent(sara, at, audience="named", buyer_emails=["ben@example.org"]))
    gone = make_listing(sara, at)
    withdraw_consent(consent=gone.consent, at=at)
    for listing in (named, gone):
        assert client.get(f"/listings/{listing.public_id}/{name}").status_code == 404
        assert str(listing.public_id) not in client.get("/catalog").content.decode()
    assert client.post(f"/listings/{named.public_id}/{name}").status_code == 405


def test_the_catalogue_comes_in_pages_that_lead_on(client: Client, sara: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "LISTINGS_A_PAGE", 2)
    at = timezone.now()
    wanted = {str(make_listing(sara, at, title=f"Listing {number}").public_id) for number in range(5)}
    address, seen = "/catalog", []
    while address:
        graph = check_dcat(json.loads(client.get(address).content))
        asked = "PREFIX dcat: <http://www.w3.org/ns/dcat#> SELECT ?d WHERE { ?c dcat:dataset ?d }"
        seen += [str(row[0]).split("/")[-2] for row in graph.query(asked)]  # type: ignore[index]  # rows of a SELECT
        following = list(graph.query("PREFIX h: <http://www.w3.org/ns/hydra/core#> SELECT ?n WHERE { ?p h:next ?n }"))
        address = "/catalog?" + urlsplit(str(following[0][0])).query if following else ""  # type: ignore[index]  # rows of a SELECT
    assert (len(seen), set(seen)) == (5, wanted)
    assert client.get("/catalog/dataspace")["Link"].endswith('; rel="next"')
    for wrong in ("x", "00000000-0000-0000-0000-000000000000"):
        assert client.get(f"/catalog?after={wrong}").status_code == 404


def test_an_empty_market_is_a_catalogue_too(client: Client) -> None:
    check_dcat(json.loads(client.get("/catalog").content))
    jsonschema.validate(json.loads(client.get("/catalog/dataspace").content), DATASPACE_CATALOG)


def test_who_asks_again_gets_nothing_new(client: Client, listing: Listing) -> None:
    address = f"/listings/{listing.public_id}/dcat.jsonld"
    first = client.get(address)
    again = client.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_page_of_many_costs_no_query_for_each(client: Client, sara: User, django_assert_max_num_queries: Any) -> None:
    at = timezone.now()
    for number in range(6):
        make_listing(sara, at, title=f"Listing {number}")
    with django_assert_max_num_queries(4):
        client.get("/catalog")


def test_the_site_map_names_pages_and_listings(client: Client, listing: Listing) -> None:
    index = client.get("/sitemap.xml").content.decode()
    assert "sitemap-listings.xml" in index
    assert f"/listings/{listing.public_id}/" in client.get("/sitemap-listings.xml").content.decode()
    assert "/log/verify/" in client.get("/sitemap-pages.xml").content.decode()
    assert "Sitemap: http://testserver/sitemap.xml" in client.get("/robots.txt").content.decode()


def test_a_plan_that_would_outlast_the_consent_is_not_offered(client: Client, sara: User) -> None:
    at = timezone.now()
    consent = make_consent(sara, at, valid_until=at + timedelta(days=20))
    plans = (PlanTerms("period", EURO, 10 * 86_400),)
    listing = make_listing(sara, at, consent=consent, plans=plans)
    assert len(document(client, listing, "schema.jsonld")["offers"]) == 1
    Plan.objects.update(period_seconds=30 * 86_400)
    assert "offers" not in document(client, listing, "schema.jsonld")
    assert client.get(f"/listings/{listing.public_id}/dataspace.json").status_code == 404
    jsonschema.validate(json.loads(client.get("/catalog/dataspace").content), DATASPACE_CATALOG)
