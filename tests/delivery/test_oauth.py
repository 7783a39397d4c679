from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from ledger.models import OutboxRow
from marketplace.access.models import AccessToken
from marketplace.consents.services import withdraw_consent
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db


def introspect(client: Client, bearer: str, token: str) -> dict[str, object]:
    return client.post("/oauth/introspect", {"token": token}, headers={"Authorization": f"Bearer {bearer}"}).json()


def test_a_token_tells_its_bearer_about_itself(client: Client, bought: Bought) -> None:
    assert introspect(client, bought.text, bought.text) == {
        "active": True,
        "token_type": "Bearer",
        "scope": f"share:{bought.listing.share_name}",
        "iat": int(bought.token.created_at.timestamp()),
        "exp": int((bought.at + timedelta(days=365)).timestamp()),
        "jti": str(bought.token.public_id),
        "purchase": str(bought.token.purchase.public_id),
    }


def test_a_stranger_learns_nothing(client: Client, bought: Bought) -> None:
    assert introspect(client, "osm_other", bought.text) == {"active": False}
    assert introspect(client, "osm_other", "osm_other") == {"active": False}
    answer = client.post("/oauth/introspect", {"token": bought.text})
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer realm="ownstream"')


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
