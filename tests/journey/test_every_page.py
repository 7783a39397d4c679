"""Every page in every state, opened by each person: accessible, not too wide, titled, and silent in the console."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from tests.journey.looks import HEIGHT, WIDE, Complaints, faults_of, links_of
from tests.journey.market import Market, make_market
from tests.journey.pages import is_page, named_urls, visits_of
from tests.journey.people import NewContext, confirm_identity, fill_in, log_in, open_browser, send_form
from tests.journey.visits import Visit

pytestmark = pytest.mark.django_db(transaction=True)
PEOPLE = ("visitor", "sara", "ben", "mallory", "auditor", "operator")


@pytest.fixture
def market(transactional_db: None) -> Market:
    return make_market(timezone.now() - timedelta(minutes=1))


def test_every_named_page_is_visited(market: Market) -> None:
    pages = {name for name in named_urls() if is_page(name)}
    visited = {visit.url for visit in visits_of(market)}
    assert sorted(pages - visited) == [], "Add these to tests/journey/pages.py."


@pytest.mark.parametrize("person", PEOPLE)
def test_pages_of(person: str, live_server: LiveServer, market: Market, new_context: NewContext) -> None:
    page = open_browser(new_context, live_server, viewport={"width": WIDE, "height": HEIGHT})
    complaints = Complaints(page)
    if person in market.people:
        log_in(page, market.people[person].email)
        if person == "mallory":
            give_second_factor(page, market)
        page.wait_for_url("**/home/")
        confirm_identity(page)
    complaints.take()
    visits = [visit for visit in visits_of(market) if visit.person == person]
    links: dict[str, str] = {}
    faults = {visit.title: found for visit in visits if (found := look_at(page, visit, complaints, links))}
    faults["dead links"] = dead_links(page, links)
    faults = {title: found for title, found in faults.items() if found}
    assert not faults, "\n".join(f"{title}: {fault}" for title, found in faults.items() for fault in found)


def give_second_factor(page: Page, market: Market) -> None:
    codes = Authenticator.objects.get(user=market.people["mallory"], type=Authenticator.Type.RECOVERY_CODES)
    send_form(fill_in(page, {"code": codes.wrap().get_unused_codes()[0]}))


def dead_links(page: Page, links: dict[str, str]) -> list[str]:
    # /health says 503 here, rightly: no worker runs beside the walk.
    addresses = links.keys() - {"/health"}
    answers = {address: page.request.get(address, max_redirects=0).status for address in addresses}
    return [f"{links[address]}: {address} answers {status}" for address, status in answers.items() if status >= 400]


def look_at(page: Page, visit: Visit, complaints: Complaints, links: dict[str, str]) -> list[str]:
    """links: gets the address of every new link on the page, with the visit that met it first."""
    answer = page.goto(visit.address)
    assert answer is not None
    faults = [] if answer.status == visit.status else [f"answers {answer.status} instead of {visit.status}"]
    if not visit.moves_on and not page.url.endswith(visit.address):
        faults.append(f"leads to {page.url}")
    if visit.act:
        visit.act(page)
    links |= dict.fromkeys(links_of(page) - links.keys(), visit.title)
    return faults + faults_of(page) + complaints.take()
