"""Tokens over the API: narrowed, as an OAuth client, and passed on."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from marketplace.access.models import AccessToken
from marketplace.access.services import authorise
from marketplace.accounts.models import User
from marketplace.purchases.models import Purchase
from tests.builders import make_listing
from tests.builders_delivery import FREE, buy

pytestmark = pytest.mark.django_db


@pytest.fixture
def purchase(sara: User, ben: User) -> Purchase:
    at = timezone.now() - timedelta(minutes=5)
    return buy(make_listing(sara, at, plans=[FREE]), ben, at)


@pytest.fixture
def buyer(api_as: Callable[[User], APIClient], ben: User) -> APIClient:
    return api_as(ben)


def post(client: APIClient, path: str, content: dict[str, Any] | None = None, **headers: str) -> Any:
    return client.post(f"/api/{path}", content or {}, format="json", headers=headers)


def test_makes_a_narrow_token(buyer: APIClient, purchase: Purchase) -> None:
    limits = {
        "name": "Report",
        "only_fields": ["air_temperature"],
        "row_cap": 1000,
        "rate_per_minute": 60,
        "networks": ["192.0.2.7/24"],
        "window_until": "2026-01-01T00:00:00Z",
    }
    answer = post(buyer, f"purchases/{purchase.public_id}/tokens", limits)
    made = answer.json()
    assert answer.status_code == 201
    assert {name: made[name] for name in limits} == limits | {"networks": ["192.0.2.0/24"]}
    listed = buyer.get(f"/api/purchases/{purchase.public_id}/tokens").json()["results"]
    assert (listed[0]["kind"], "token" in listed[0]) == ("bearer", False)
    assert authorise(token=made["token"], at=timezone.now(), address="192.0.2.1").row_cap_left == 1000


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"only_fields": ["position"]}, "token_too_wide"),
        ({"only_fields": []}, "narrowing_invalid"),
        ({"networks": ["here"]}, "narrowing_invalid"),
        ({"expires_at": "2099-01-01T00:00:00Z"}, "token_too_wide"),
    ],
)
@pytest.mark.parametrize("what", ["tokens", "client"])
def test_refuses_wrong_limits(
    buyer: APIClient, purchase: Purchase, what: str, limits: dict[str, Any], code: str
) -> None:
    answer = post(buyer, f"purchases/{purchase.public_id}/{what}", limits)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert not AccessToken.objects.exists()


def test_makes_one_client_and_keeps_no_secret(buyer: APIClient, purchase: Purchase) -> None:
    path, key = f"purchases/{purchase.public_id}/client", {"Idempotency-Key": "once"}
    made = post(buyer, path, None, **key).json()
    assert (made["kind"], made["profile"]["clientSecret"]) == ("client", made["client_secret"])
    again = post(buyer, path, None, **key).json()
    assert (again["id"], again["client_id"], again["client_secret"]) == (made["id"], made["client_id"], None)
    refused = post(buyer, path)
    assert (refused.status_code, refused.json()["code"]) == (409, "client_exists")
    form = {"grant_type": "client_credentials", "client_id": made["client_id"], "client_secret": made["client_secret"]}
    assert APIClient().post("/oauth/token", form).status_code == 200


def test_gives_what_is_passed_on(buyer: APIClient, purchase: Purchase) -> None:
    token = post(buyer, f"purchases/{purchase.public_id}/tokens").json()
    answer = post(buyer, f"tokens/{token['id']}/delegation")
    assert (answer["Cache-Control"], answer.json()["token"][:4]) == ("no-store", "osb_")
    assert answer.json()["public_key"].startswith("ed25519/")
    assert AccessToken.objects.count() == 1


def test_strangers_find_nothing(
    api_as: Callable[[User], APIClient], buyer: APIClient, purchase: Purchase, sara: User, mallory: User
) -> None:
    token = post(buyer, f"purchases/{purchase.public_id}/tokens").json()
    paths = [f"purchases/{purchase.public_id}/{what}" for what in ("tokens", "client")]
    for path in [*paths, f"tokens/{token['id']}/delegation"]:
        for person in (sara, mallory):
            assert post(api_as(person), path).status_code == 404
        assert post(APIClient(), path).status_code == 401
    assert AccessToken.objects.count() == 1
