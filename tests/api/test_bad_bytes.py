"""Whatever bytes come in, the answer is a refusal in the API's shape, and nothing is written."""

from base64 import b64encode
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from devices.models import Device
from marketplace.api.models import IdempotentRequest
from marketplace.wallet.models import TopUp
from tests.builders import make_device

pytestmark = pytest.mark.django_db
JSON = "application/json"
PROBLEM = "application/problem+json"


def problem_code(response):
    assert response["Content-Type"] == PROBLEM, response.content[:200]
    assert response.json()["status"] == response.status_code
    return response.json()["code"]


@pytest.fixture
def quiet_api(api_as):
    """Answers as a server does: a crash is a 500 and no exception in the test."""

    def log_in(user):
        client = api_as(user)
        client.raise_request_exception = False
        return client

    return log_in


def test_integers_of_any_size_have_a_hash(sara, quiet_api):
    body = b'{"amount_micros":2000000,"x":99999999999999999999999}'
    for _ in range(2):
        response = quiet_api(sara).post("/api/wallet/top-ups", body, content_type=JSON, HTTP_IDEMPOTENCY_KEY="big")
        assert response.status_code == 201
    assert TopUp.objects.get().amount_micros == 2_000_000


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/api/devices", rb'{"name":"\ud800","kind":"weather_station","country":"DE"}', "invalid"),
        ("/api/wallet/top-ups", b'{"amount_micros":99999999999999999999999}', "amount_out_of_range"),
        ("/api/wallet/top-ups", b"[" * 400 + b"]" * 400, "invalid"),
        ("/api/devices", b"[" * 100_000, "parse_error"),
        ("/api/devices", b"[" * 100_000 + b"]" * 100_000, "parse_error"),
        ("/api/devices", b'{"name":"a\\u0000b","kind":"weather_station","country":"DE"}', "invalid"),
        ("/api/devices", b"\xff\xfe", "parse_error"),
        ("/api/devices", b'{"name":' + b"1" * 5000 + b"}", "parse_error"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"HTTP_IDEMPOTENCY_KEY": "one"}])
def test_refuses_bodies_that_no_encoder_takes(sara, quiet_api, path, body, code, headers):
    response = quiet_api(sara).post(path, body, content_type=JSON, **headers)
    assert 400 <= response.status_code < 500
    assert problem_code(response) == code
    assert not Device.objects.exists()
    assert not TopUp.objects.exists()
    assert not IdempotentRequest.objects.exists()


@pytest.mark.parametrize("path", ["wallet/statement", "purchases", "devices", "wallet/top-ups"])
@pytest.mark.parametrize(
    "cursor",
    [
        "cD0lMDA=",
        "cj0xJnA9eHh4",
        "bz05OTk5OTk5OTk5OSZwPXg=",
        "no base64",
        "%FF",
        b64encode(b"p=0001-13-45").decode(),
    ],
)
def test_a_cursor_that_was_not_made_here_is_refused(sara, quiet_api, path, cursor):
    response = quiet_api(sara).get(f"/api/{path}", {"cursor": cursor})
    assert (response.status_code, problem_code(response)) == (400, "cursor_invalid")


def test_the_cursors_that_are_made_here_lead_through_all_pages(sara, quiet_api, now):
    for number in range(51):
        make_device(sara, now + timedelta(minutes=number))
    client = quiet_api(sara)
    first = client.get("/api/devices").json()
    second = client.get(first["next"]).json()
    assert (len(first["results"]), len(second["results"]), second["next"]) == (50, 1, None)
    assert client.get(second["previous"]).json()["results"] == first["results"]


@pytest.mark.parametrize(
    ("start", "until"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z"),
        ("0001-01-01T00:00:00+14:00", "0001-01-02T00:00:00+14:00"),
        ("9999-12-31T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("9999-12-30T00:00:00-14:00", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_readings_from_the_ends_of_the_calendar_are_refused(sara, quiet_api, now, start, until):
    device = make_device(sara, now)
    asked = {"measure": "a", "start": start, "until": until}
    response = quiet_api(sara).get(f"/api/devices/{device.public_id}/readings", asked)
    assert (response.status_code, problem_code(response)) == (400, "invalid")


def test_readings_of_an_early_day_that_is_within_reason_are_none(sara, quiet_api, now):
    device = make_device(sara, now)
    asked = {"measure": "a", "start": "1970-01-01T00:00:00Z", "until": "1970-01-02T00:00:00Z"}
    assert quiet_api(sara).get(f"/api/devices/{device.public_id}/readings", asked).json() == {"results": []}


@pytest.mark.parametrize("headers", [{}, {"HTTP_IDEMPOTENCY_KEY": "one"}])
def test_a_body_of_three_megabytes_is_a_problem(sara, quiet_api, headers):
    body = b'{"name":"' + b"x" * (3 * 1024 * 1024) + b'"}'
    response = quiet_api(sara).post("/api/devices", body, content_type=JSON, **headers)
    assert response.status_code in {400, 413}
    assert problem_code(response) in {"invalid", "body_too_large"}
    assert not Device.objects.exists()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"x", "multipart/form-data"),
        ("&".join(f"f{number}=1" for number in range(1001)), "application/x-www-form-urlencoded"),
        (b"x" * (3 * 1024 * 1024), "application/x-www-form-urlencoded"),
    ],
)
@pytest.mark.parametrize(
    "path", ["/api/devices", "/api/devices/nonce", "/oauth/introspect", "/oauth/revoke", "/delta-sharing/shares"]
)
def test_forms_that_cannot_be_read_are_no_page_of_html(sara, quiet_api, path, body, content_type):
    for client in (quiet_api(sara), session_of(sara)):
        response = client.post(path, body, content_type=content_type)
        assert 400 <= response.status_code < 500
        assert "json" in response["Content-Type"]


def session_of(user):
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)
    client.force_login(user)
    return client


@pytest.mark.parametrize(
    ("path", "members"),
    [
        ("/api/nothing", {"code"}),
        ("/api/devices/00000000-0000-4000-8000-000000000000/nothing", {"code"}),
        ("/oauth/nothing", {"code", "error", "error_description"}),
    ],
)
def test_an_unknown_address_is_a_problem_to_programs(client, path, members):
    response = client.get(path)
    assert (response.status_code, problem_code(response)) == (404, "not_found")
    assert members <= response.json().keys()


@pytest.mark.parametrize("path", ["/nothing", "/api/docs/nothing"])
def test_an_unknown_address_is_a_page_to_people(client, path):
    response = client.get(path)
    assert response.status_code == 404
    assert response["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("path", "is_page"),
    [("/api/catalogue", False), ("/delta-sharing/shares", False), ("/oauth/revoke", False), ("/catalogue/", True)],
)
def test_a_nul_in_the_address_is_refused_in_the_shape_of_the_place(client, path, is_page):
    for address in (f"{path}?q=%00", f"{path}%00"):
        response = client.get(address)
        assert response.status_code == 400
        if is_page:
            assert response["Content-Type"].startswith("text/html")
        else:
            assert problem_code(response) == "bad_request"
    if path.startswith("/delta"):
        assert response.json()["errorCode"] == "BAD_REQUEST"


def test_a_crash_is_a_problem_to_programs_and_a_page_to_people(client, monkeypatch):
    def crash(*args, **kwargs):
        raise RuntimeError("secret")

    monkeypatch.setattr("marketplace.api.views.catalogue.find_listings", crash)
    monkeypatch.setattr("marketplace.web.views.landing.market_figures", crash)
    client.raise_request_exception = False
    response = client.get("/api/catalogue")
    assert (response.status_code, problem_code(response)) == (500, "server_error")
    assert "secret" not in response.text
    page = client.get("/")
    assert page.status_code == 500
    assert "Something broke on our side" in page.text


def test_every_api_view_reads_json_with_the_bounded_parser():
    assert settings.REST_FRAMEWORK["DEFAULT_PARSER_CLASSES"] == ["marketplace.api.parsers.BoundedJSONParser"]
