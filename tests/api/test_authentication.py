import pytest
from rest_framework.test import APIClient

from marketplace.accounts.models import ApiKey
from marketplace.accounts.services import create_api_key, revoke_api_key

pytestmark = pytest.mark.django_db


def test_a_key_logs_in_and_its_use_is_noted(sara, api_as):
    response = api_as(sara).get("/api/me")
    assert response.status_code == 200
    assert response.json()["email"] == sara.email
    assert ApiKey.objects.get().last_used_at is not None


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "not_authenticated"),
        ("Bearer own_key_nonsense", "api_key_unknown"),
        ("Bearer", "api_key_malformed"),
        ("Bearer a b", "api_key_malformed"),
        ("Bearer \xe9", "api_key_unknown"),
    ],
)
def test_refuses_everyone_else_with_a_problem(header, code):
    response = APIClient().get("/api/me", HTTP_AUTHORIZATION=header) if header else APIClient().get("/api/me")
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert response.json()["code"] == code


def test_refuses_a_revoked_key_at_once(sara, now):
    api_key, key = create_api_key(user=sara, name="old", at=now)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert client.get("/api/me").status_code == 200
    revoke_api_key(api_key=api_key, at=now)
    assert client.get("/api/me").json()["code"] == "api_key_unknown"


def test_refuses_the_key_of_an_account_that_was_closed(sara, api_as):
    client = api_as(sara)
    sara.is_active = False
    sara.save()
    assert client.get("/api/me").status_code == 401


def test_a_session_needs_the_csrf_token(sara):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(sara)
    assert client.get("/api/me").status_code == 200
    assert client.post("/api/devices", {"name": "x", "kind": "other"}, format="json").status_code == 403
