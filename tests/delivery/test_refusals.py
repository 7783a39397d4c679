"""Who is not let in, and that a withdrawal holds from the very next request on."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from marketplace.access.models import AccessToken
from marketplace.access.services import issue_token, revoke_token
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.doors.entrance import FAILURES_A_MINUTE
from marketplace.delivery.models import Read
from marketplace.listings.services import withdraw_listing
from tests.builders_delivery import bearer, buy, buy_token, make_stocked_listing
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db
QUERY_KIND = "application/json"


def every_address(bought: Bought) -> list[tuple[str, str]]:
    share = f"/delta-sharing/shares/{bought.listing.share_name}"
    return [
        ("GET", "/delta-sharing/shares"),
        ("GET", share),
        ("GET", f"{share}/schemas"),
        ("GET", f"{share}/schemas/data/tables"),
        ("GET", f"{share}/all-tables"),
        ("GET", f"{bought.table}/version"),
        ("HEAD", f"{bought.table}/version"),
        ("HEAD", bought.table),
        ("GET", f"{bought.table}/metadata"),
        ("POST", f"{bought.table}/query"),
        ("GET", f"{bought.table}/changes"),
        ("GET", "/delta-sharing/anything"),
    ]


def ask_everywhere(client: Client, bought: Bought, headers: dict[str, str]) -> set[tuple[int, str, str]]:
    """Return each different (status, code, WWW-Authenticate) that the addresses answered."""
    answers = set()
    for method, path in every_address(bought):
        answer = client.generic(method, path, b"{}", content_type=QUERY_KIND, headers=headers)
        code = json.loads(answer.content)["errorCode"] if method != "HEAD" else "-"
        answers.add((answer.status_code, code, answer.get("WWW-Authenticate", "")))
    assert not Read.objects.exists()
    return answers


def test_nobody_comes_in_without_a_token(client: Client, bought: Bought) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer"}, {"Authorization": ""}):
        answers = ask_everywhere(client, bought, headers)
        metadata = f"{settings.PUBLIC_URL}/.well-known/oauth-protected-resource/delta-sharing"
        challenge = f'Bearer realm="ownstream", resource_metadata="{metadata}"'
        assert answers == {(401, code, challenge) for code in ("token_missing", "-")}


def test_an_unknown_token_is_told_so(client: Client, bought: Bought) -> None:
    answers = ask_everywhere(client, bought, bearer("osm_" + "A" * 43))
    assert {(status, code) for status, code, _ in answers} == {(401, "token_unknown"), (401, "-")}
    assert all('error="invalid_token"' in challenge for _, _, challenge in answers)


def test_a_session_opens_no_door(client: Client, bought: Bought, ben: User) -> None:
    client.force_login(ben)
    assert {status for status, _, _ in ask_everywhere(client, bought, {})} == {401}


def test_a_strangers_token_sees_only_its_own_share(client: Client, bought: Bought, sara: User, mallory: User) -> None:
    _, other = make_stocked_listing(sara, bought.at)
    _, text = buy_token(other, mallory, bought.at)
    shares = client.get("/delta-sharing/shares", headers=bearer(text)).json()["items"]
    assert [share["name"] for share in shares] == [other.share_name]
    for method, path in every_address(bought)[1:]:
        answer = client.generic(method, path, b"{}", content_type=QUERY_KIND, headers=bearer(text))
        assert answer.status_code == 404, path
    assert not Read.objects.exists()


@pytest.mark.parametrize(
    ("end", "status", "code"),
    [
        ("consent", 403, "consent_withdrawn"),
        ("listing", 403, "listing_withdrawn"),
        ("token", 401, "token_revoked"),
        ("term", 401, "token_expired"),
    ],
)
def test_the_very_next_request_is_refused(client: Client, bought: Bought, end: str, status: int, code: str) -> None:
    assert client.get(f"{bought.table}/metadata", headers=bought.headers).status_code == 200
    at = timezone.now()
    if end == "consent":
        withdraw_consent(consent=bought.listing.consent, at=at)
    elif end == "listing":
        withdraw_listing(listing=bought.listing, at=at)
    elif end == "token":
        revoke_token(token=bought.token, at=at)
    else:
        AccessToken.objects.update(expires_at=at)
    answers = ask_everywhere(client, bought, bought.headers)
    assert {(answer[0], answer[1]) for answer in answers} == {(status, code), (status, "-")}
    error = "invalid_token" if status == 401 else "insufficient_scope"
    assert all(f'error="{error}"' in challenge for _, _, challenge in answers)


@pytest.mark.parametrize("end", ["consent", "listing", "token"])
def test_a_link_given_out_before_is_refused_as_well(client: Client, bought: Bought, end: str) -> None:
    url = file_url(client, bought)
    assert client.get(url).status_code == 200
    at = timezone.now()
    if end == "consent":
        withdraw_consent(consent=bought.listing.consent, at=at)
    elif end == "listing":
        withdraw_listing(listing=bought.listing, at=at)
    else:
        revoke_token(token=bought.token, at=at)
    for answer in (client.get(url), client.get(url, headers={"Range": "bytes=0-3"})):
        assert answer.status_code == (401 if end == "token" else 403)
        assert "PAR1" not in answer.content.decode()
    assert client.head(url).status_code == (401 if end == "token" else 403)


def test_revoking_one_token_leaves_another_buyers_alone(client: Client, bought: Bought, mallory: User) -> None:
    _, text = issue_token(purchase=buy(bought.listing, mallory, bought.at), at=bought.at)
    revoke_token(token=bought.token, at=timezone.now())
    assert client.get(f"{bought.table}/metadata", headers=bearer(text)).status_code == 200


def test_guessing_is_braked_and_good_tokens_are_not(client: Client, bought: Bought) -> None:
    statuses = [
        client.get("/delta-sharing/shares", headers=bearer(f"osm_{number}")).status_code
        for number in range(FAILURES_A_MINUTE + 2)
    ]
    assert statuses == [401] * FAILURES_A_MINUTE + [429] * 2
    answer: Any = client.get("/delta-sharing/shares", headers=bearer("osm_x"))
    assert (answer["Retry-After"], answer.json()["errorCode"]) == ("60", "too_many_attempts")
    assert client.get("/delta-sharing/shares", headers=bought.headers).status_code == 200


def test_one_that_guesses_behind_the_proxy_brakes_nobody_else(client: Client, bought: Bought, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1

    def guess(address: str) -> int:
        return client.get("/delta-sharing/shares", headers=bearer("osm_x") | {"X-Forwarded-For": address}).status_code

    for _ in range(FAILURES_A_MINUTE):
        guess("203.0.113.66")
    assert guess("203.0.113.66") == 429
    assert guess("198.51.100.7, 203.0.113.66") == 429
    assert guess("203.0.113.66, 198.51.100.7") == 401


def file_url(client: Client, bought: Bought) -> str:
    answer = client.post(f"{bought.table}/query", b"{}", content_type=QUERY_KIND, headers=bought.headers)
    parts = urlsplit(json.loads(answer.content.splitlines()[2])["file"]["url"])
    Read.objects.all().delete()
    return f"{parts.path}?{parts.query}"


def test_a_token_ends_with_its_purchase(client: Client, bought: Bought) -> None:
    assert bought.token.expires_at == bought.token.purchase.purchased_at + timedelta(days=365)
