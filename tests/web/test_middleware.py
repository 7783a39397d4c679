from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.web.middleware import TimeZoneMiddleware

HTMX = {"HX-Request": "true"}


@pytest.mark.django_db
def test_a_browser_is_redirected_to_the_login(client: Client) -> None:
    answer = client.get(reverse("device_list"))
    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('account_login')}?next={reverse('device_list')}"


@pytest.mark.django_db
def test_htmx_is_told_to_leave_for_the_login_and_to_come_back_to_its_page(client: Client) -> None:
    page = f"http://testserver{reverse('purchase_list')}?state=open"
    answer = client.get(reverse("device_list"), headers={**HTMX, "HX-Current-URL": page})
    assert answer.status_code == 200
    assert not answer.has_header("Location")
    assert answer["HX-Redirect"] == f"{reverse('account_login')}?next=%2Fpurchases%2F%3Fstate%3Dopen"


@pytest.mark.django_db
def test_a_page_of_another_host_is_no_place_to_come_back_to(client: Client) -> None:
    answer = client.get(reverse("device_list"), headers={**HTMX, "HX-Current-URL": "https://elsewhere.test/trap"})
    assert answer["HX-Redirect"] == f"{reverse('account_login')}?next={reverse('device_list')}"


@pytest.mark.django_db
def test_a_person_without_the_staff_flag_is_refused_by_the_admin_panel(client: Client, mallory: User) -> None:
    assert client.get(reverse("admin:index"))["Location"].startswith(reverse("admin:login"))
    assert client.get(reverse("admin:login"))["Location"].startswith(reverse("account_login"))
    client.force_login(mallory)
    assert client.get(reverse("admin:login")).status_code == 403


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/accounts/password/reset/", "/delta-sharing/shares", "/api/wallet"])
def test_a_host_that_is_not_ours_is_refused_and_gets_into_no_letter(client: Client, ben: User, path: str) -> None:
    """Letters and profile files name the host that was asked for."""
    for host in ("evil.example", "localhost.evil.example", "testserver@evil.example"):
        assert client.get(path, headers={"host": host}).status_code == 400
        answer = client.post("/accounts/password/reset/", {"email": ben.email}, headers={"host": host})
        assert answer.status_code == 400
    assert mail.outbox == []
    assert client.get("/", headers={"host": "127.0.0.1:8123"}).status_code == 200


def zone_seen(client: Client, user: User | None, **cookies: str) -> Any:
    seen: list[Any] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(timezone.get_current_timezone())
        return HttpResponse()

    request = HttpRequest()
    request.COOKIES = dict(cookies)
    if user is not None:
        request.user = user
    TimeZoneMiddleware(view)(request)
    return seen[0]


def test_a_request_without_a_session_is_never_asked_who_it_is(client: Client) -> None:
    assert str(zone_seen(client, None)) == "UTC"


@pytest.mark.parametrize(("zone", "used"), [("Europe/Vienna", "Europe/Vienna"), ("Nowhere/Land", "UTC"), ("", "UTC")])
def test_times_are_shown_in_the_zone_of_who_is_logged_in(client: Client, zone: str, used: str) -> None:
    person = User(time_zone=zone)
    assert str(zone_seen(client, person, ownstream_session="any")) == str(ZoneInfo(used))
    assert str(timezone.get_current_timezone()) == "UTC"


@pytest.mark.django_db
def test_trace_is_no_method_here(client: Client) -> None:
    client.raise_request_exception = False
    for path in ("/", "/catalogue/", reverse("health"), "/api/me"):
        assert client.trace(path).status_code in {401, 405}


@pytest.mark.django_db
@pytest.mark.parametrize("table", ["ledger/entry", "wallet/account", "wallet/transfer"])
@pytest.mark.parametrize("query", ["?kind=%00", "?kind__exact=a%00b", "?q=%00", "?%00=1"])
def test_a_nul_in_an_address_of_the_admin_panel_is_a_bad_request(admin_client: Client, table: str, query: str) -> None:
    admin_client.raise_request_exception = False
    assert admin_client.get(f"/admin/{table}/").status_code == 200
    assert admin_client.get(f"/admin/{table}/{query}").status_code == 400


@pytest.mark.django_db
def test_a_nul_in_a_cookie_is_a_bad_request(client: Client) -> None:
    client.raise_request_exception = False
    answer = client.get(reverse("home"), headers={"cookie": r'ownstream_session="abc\000def"'})
    assert answer.status_code == 400


@pytest.mark.django_db
def test_an_escaped_percent_sign_is_no_nul(client: Client) -> None:
    assert client.get(reverse("catalogue"), {"q": "100%00"}).status_code == 200


@pytest.mark.django_db
def test_a_wrong_method_gives_a_person_a_page_and_a_program_nothing(client: Client) -> None:
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    answer = client.post(reverse("catalogue"), headers=browser)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
    assert "<h1>This address is no page</h1>" in answer.text
    for headers in ({}, {"accept": "*/*"}, browser | HTMX):
        bare = client.post(reverse("catalogue"), headers=headers)
        assert (bare.status_code, bare.content) == (405, b"")
