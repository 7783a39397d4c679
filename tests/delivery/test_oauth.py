from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from ledger.models import OutboxRow
from marketplace.access.models import AccessToken
from marketplace.access.services import issue_token
from marketplace.accounts.models import User
from marketplace.accounts.services import create_api_key
from marketplace.consents.services import withdraw_consent
from tests.builders_delivery import bearer
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db


def introspect(client: Client, bearer: str, token: str) -> dict[str, object]:
    return client.post("/oauth/introspect", {"token": token}, headers={"Authorization": f"Bearer {bearer}"}).json()


def test_a_token_tells_its_bearer_about_itself(client: Client, bought: Bought) -> None:
    assert introspect(client, bought.text, bought.text) == {
        "active": True,
        "token_type": "Bearer",
        "scope": f"share:{bought.listing.share_name}",
        "iss": settings.PUBLIC_URL,
        "aud": [f"{settings.PUBLIC_URL}/{area}" for area in ("delta-sharing", "data", "live")],
        "iat": int(bought.token.created_at.timestamp()),
        "exp": int((bought.at + timedelta(days=365)).timestamp()),
        "jti": str(bought.token.public_id),
        "purchase": str(bought.token.purchase.public_id),
        "fields": ["air_temperature"],
        "window_from": None,
        "window_until": bought.token.purchase.window_until.isoformat(),
        "row_cap_left": None,
        "rate_per_minute": None,
        "networks": [],
    }


def test_a_stranger_learns_nothing(client: Client, bought: Bought, mallory: User) -> None:
    _, key = create_api_key(user=mallory, name="Mine", at=bought.at)
    _, other = issue_token(purchase=bought.token.purchase, at=bought.at)
    for caller in (key, other):
        for token in (bought.text, "osm_other"):
            assert introspect(client, caller, token) == {"active": False}
    assert introspect(client, "osm_other", "osm_other") == {"active": False}
    for headers in ({}, bearer("osm_other"), bearer("own_key_other")):
        answer = client.post("/oauth/introspect", {"token": bought.text}, headers=headers)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith('Bearer realm="ownstream", resource_metadata="')


def test_a_party_s_resource_server_and_an_auditor_are_told(
    client: Client, bought: Bought, sara: User, ben: User, mallory: User
) -> None:
    mallory.is_staff = True
    mallory.save()
    mallory.user_permissions.add(Permission.objects.get(codename="view_purchase"))
    for person in (sara, ben, mallory):
        _, key = create_api_key(user=person, name="Gateway", at=bought.at)
        assert introspect(client, key, bought.text)["jti"] == str(bought.token.public_id)
        assert introspect(client, key, "osm_other") == {"active": False}
    assert AccessToken.objects.get().last_used_at is None


def test_staff_without_the_right_learns_nothing(client: Client, bought: Bought, mallory: User) -> None:
    mallory.is_staff = True
    mallory.save()
    _, key = create_api_key(user=mallory, name="Mine", at=bought.at)
    assert introspect(client, key, bought.text) == {"active": False}


def test_a_program_replaces_its_token(client: Client, bought: Bought) -> None:
    answers = [
        client.post("/oauth/rotate", {"token": bought.text}),
        client.post("/oauth/rotate", headers=bought.headers),
    ]
    first, again = (answer.json() for answer in answers)
    assert first["access_token"] == again["access_token"] != bought.text
    assert (first["token_type"], first["scope"]) == ("Bearer", f"share:{bought.listing.share_name}")
    assert 590 < first["old_token_expires_in"] <= 600
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}
    for text in (bought.text, first["access_token"]):
        assert client.get(f"{bought.table}/metadata", headers=bearer(text)).status_code == 200
    assert AccessToken.objects.count() == 2


@pytest.mark.parametrize(("text", "code"), [("osm_other", "token_unknown"), ("", "token_missing")])
def test_nobody_else_replaces_it(client: Client, bought: Bought, text: str, code: str) -> None:
    answer = client.post("/oauth/rotate", {"token": text})
    assert (answer.status_code, answer.json()["errorCode"]) == (401, code)
    assert AccessToken.objects.count() == 1


def test_a_withdrawn_purchase_gives_no_successor(client: Client, bought: Bought) -> None:
    withdraw_consent(consent=bought.listing.consent, at=timezone.now())
    answer = client.post("/oauth/rotate", {"token": bought.text})
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "consent_withdrawn")
    assert AccessToken.objects.count() == 1


def test_tells_programs_where_tokens_come_from(client: Client) -> None:
    server = client.get("/.well-known/oauth-authorization-server").json()
    assert server["issuer"] == settings.PUBLIC_URL
    for name in ("token", "revocation", "introspection"):
        assert server[f"{name}_endpoint"].startswith(f"{settings.PUBLIC_URL}/oauth/")
    for resource in server["protected_resources"]:
        path = resource.removeprefix(settings.PUBLIC_URL)
        told = client.get(f"/.well-known/oauth-protected-resource{path}").json()
        assert (told["resource"], told["authorization_servers"]) == (resource, [server["issuer"]])
    assert client.get("/.well-known/oauth-protected-resource/other").status_code == 404


def test_a_withdrawn_consent_makes_it_inactive(client: Client, bought: Bought) -> None:
    withdraw_consent(consent=bought.listing.consent, at=timezone.now())
    assert introspect(client, bought.text, bought.text) == {"active": False}


def test_the_holder_ends_his_token(client: Client, bought: Bought) -> None:
    for _ in range(2):
        assert client.post("/oauth/revoke", {"token": bought.text}).status_code == 200
    assert AccessToken.objects.get().revoked_at is not None
    assert introspect(client, bought.text, bought.text) == {"active": False}
    assert OutboxRow.objects.filter(kind="access.revoked").count() == 1


def test_an_unknown_token_is_answered_like_an_ended_one(client: Client, bought: Bought) -> None:
    assert client.post("/oauth/revoke", {"token": "osm_other"}).status_code == 200
    assert AccessToken.objects.get().revoked_at is None


@pytest.mark.parametrize("path", ["/oauth/introspect", "/oauth/revoke"])
def test_a_request_without_a_token_is_invalid(client: Client, bought: Bought, path: str) -> None:
    answer = client.post(path, headers=bought.headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert client.get(path).status_code == 405
