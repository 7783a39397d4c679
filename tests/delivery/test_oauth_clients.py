"""OAuth clients: an id and a secret give short-lived tokens, which open what the client's purchase does."""

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken as ShortToken
from oauth2_provider.models import Application

from ledger.models import OutboxRow
from marketplace.access import errors
from marketplace.access.models import AccessToken
from marketplace.access.services import (
    ClientSecret,
    Narrowing,
    authorise,
    end_tokens,
    forget_short_tokens,
    issue_client,
    revoke_token,
    rotate_token,
)
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.models import Read
from tests.builders_delivery import bearer
from tests.builders_money import at_once
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client_secret(bought: Bought) -> ClientSecret:
    return issue_client(purchase=bought.token.purchase, at=bought.at)[1]


def ask(client: Client, made: ClientSecret, **form: str) -> Any:
    basic = base64.b64encode(f"{made.client_id}:{made.secret}".encode()).decode()
    content = {"grant_type": "client_credentials"} | form
    return client.post("/oauth/token", content, headers={"Authorization": f"Basic {basic}"})


def row() -> AccessToken:
    return AccessToken.objects.get(kind=AccessToken.Kind.CLIENT)


def everything_stored() -> Iterator[str]:
    """Every row of every table of ours and of the library's, as PostgreSQL prints it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'")
        for (name,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{name}" t')
            yield from (text for (text,) in cursor.fetchall())


def test_a_client_loads_what_was_bought(client: Client, bought: Bought, client_secret: ClientSecret) -> None:
    answer = ask(client, client_secret)
    token = answer.json()
    assert (answer.status_code, token["token_type"], token["expires_in"]) == (200, "Bearer", 1800)
    assert answer["Cache-Control"] == "no-store"
    assert token["access_token"].startswith("oso_")
    table = client.post(
        f"{bought.table}/query", "{}", content_type="application/json", headers=bearer(token["access_token"])
    )
    assert table.status_code == 200
    assert Read.objects.get().token == row()


def test_the_secret_may_come_in_the_body(client: Client, client_secret: ClientSecret) -> None:
    content = {"grant_type": "client_credentials", "client_id": client_secret.client_id}
    answer = client.post("/oauth/token", content | {"client_secret": client_secret.secret})
    assert answer.status_code == 200


@pytest.mark.django_db(transaction=True)
def test_nothing_that_opens_data_is_kept(client: Client, bought: Bought, client_secret: ClientSecret) -> None:
    short = ask(client, client_secret).json()["access_token"]
    stored = list(everything_stored())
    assert any(client_secret.client_id in text for text in stored)
    for secret in (bought.text, client_secret.secret, short):
        for part in (secret, secret[4:], secret[-20:]):
            assert not [text for text in stored if part in text]
    assert ShortToken.objects.get().token == ""


@pytest.mark.parametrize(
    ("client_id", "secret"), [("osc_other", "oss_other"), ("", ""), (None, "oss_other"), (None, "")]
)
def test_a_wrong_secret_gives_nothing(
    client: Client, client_secret: ClientSecret, client_id: str | None, secret: str
) -> None:
    wrong = ClientSecret(client_secret.client_id if client_id is None else client_id, secret)
    answer = ask(client, wrong)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert not ShortToken.objects.exists()


@pytest.mark.parametrize("grant_type", ["password", "authorization_code", "refresh_token", "implicit"])
def test_there_is_one_way_in_only(client: Client, client_secret: ClientSecret, grant_type: str) -> None:
    answer = ask(client, client_secret, grant_type=grant_type)
    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")
    assert not ShortToken.objects.exists()


def test_guessing_is_braked(client: Client, client_secret: ClientSecret) -> None:
    wrong = ClientSecret(client_secret.client_id, "oss_other")
    statuses = [ask(client, wrong).status_code for _ in range(62)]
    assert (statuses[0], statuses[-1]) == (401, 429)


def test_too_many_tokens_in_a_minute_are_refused(client: Client, client_secret: ClientSecret) -> None:
    at = timezone.now()
    key = f"client-tokens:{row().pk}"
    for minute in (0, 1):
        cache.set(f"{key}:{int(at.timestamp()) // 60 + minute}", 120, 120)
    answer = ask(client, client_secret)
    assert (answer.status_code, "Retry-After" in answer) == (429, True)
    assert not ShortToken.objects.exists()


def test_a_withdrawal_refuses_token_and_client_at_once(
    client: Client, bought: Bought, client_secret: ClientSecret
) -> None:
    short = ask(client, client_secret).json()["access_token"]
    withdraw_consent(consent=bought.listing.consent, at=timezone.now())
    refused = client.get("/delta-sharing/shares", headers=bearer(short))
    assert (refused.status_code, refused.json()["errorCode"]) == (403, "consent_withdrawn")
    again = ask(client, client_secret)
    assert (again.status_code, again.json()["error"]) == (400, "unauthorized_client")
    assert "withdrawn" in again.json()["error_description"]
    assert ShortToken.objects.count() == 1


def test_a_revoked_client_is_refused_and_so_is_what_it_was_given(client: Client, client_secret: ClientSecret) -> None:
    short = ask(client, client_secret).json()["access_token"]
    revoke_token(token=row(), at=timezone.now())
    assert client.get("/delta-sharing/shares", headers=bearer(short)).json()["errorCode"] == "token_revoked"
    assert ask(client, client_secret).json()["error"] == "unauthorized_client"


def test_a_short_token_ends_by_itself_and_is_forgotten(client: Client, client_secret: ClientSecret) -> None:
    short = ask(client, client_secret).json()["access_token"]
    later = timezone.now() + timedelta(seconds=1801)
    with pytest.raises(errors.TokenExpired):
        authorise(token=short, at=later)
    assert forget_short_tokens(at=later) == 1
    with pytest.raises(errors.TokenUnknown):
        authorise(token=short, at=later)


def test_a_short_token_may_be_given_up(client: Client, client_secret: ClientSecret) -> None:
    short, other = (ask(client, client_secret).json()["access_token"] for _ in range(2))
    assert client.post("/oauth/revoke", {"token": short}).status_code == 200
    assert client.get("/delta-sharing/shares", headers=bearer(short)).status_code == 401
    assert client.get("/delta-sharing/shares", headers=bearer(other)).status_code == 200
    assert row().revoked_at is None


def test_a_short_token_tells_its_own_end_and_cannot_be_rotated(client: Client, client_secret: ClientSecret) -> None:
    short = ask(client, client_secret).json()["access_token"]
    told = client.post("/oauth/introspect", {"token": short}, headers=bearer(short)).json()
    assert told["active"]
    assert 1700 < told["exp"] - timezone.now().timestamp() <= 1800
    refused = client.post("/oauth/rotate", {"token": short})
    assert (refused.status_code, refused.json()["errorCode"]) == (400, "not_rotatable")


def test_a_narrowed_client_gives_narrow_tokens(client: Client, bought: Bought) -> None:
    _, made = issue_client(purchase=bought.token.purchase, at=bought.at, narrowing=Narrowing(row_cap=59))
    short = ask(client, made).json()["access_token"]
    refused = client.post(f"{bought.table}/query", "{}", content_type="application/json", headers=bearer(short))
    assert refused.json()["errorCode"] == "token_rows_used_up"
    assert not Read.objects.exists()


def test_a_purchase_has_one_client(bought: Bought, client_secret: ClientSecret) -> None:
    purchase = bought.token.purchase
    with pytest.raises(errors.ClientExists):
        issue_client(purchase=purchase, at=bought.at)
    with pytest.raises(errors.NotRotatable):
        rotate_token(token=row(), at=bought.at)
    assert Application.objects.count() == 1
    revoke_token(token=row(), at=bought.at)
    issue_client(purchase=purchase, at=bought.at)
    assert Application.objects.count() == 2
    assert OutboxRow.objects.filter(kind="access.granted").count() == 1 + 2


@pytest.mark.django_db(transaction=True)
def test_clients_asked_for_at_once_are_one(bought: Bought) -> None:
    outcomes = at_once([lambda: issue_client(purchase=bought.token.purchase, at=bought.at) for _ in range(4)])
    assert sum(isinstance(outcome, errors.ClientExists) for outcome in outcomes) == 3
    assert Application.objects.count() == 1


def test_an_expired_client_makes_room_for_a_new_one(bought: Bought) -> None:
    purchase, hour = bought.token.purchase, timedelta(hours=1)
    issue_client(purchase=purchase, at=bought.at, narrowing=Narrowing(expires_at=bought.at + hour))
    issue_client(purchase=purchase, at=bought.at + hour)
    assert AccessToken.objects.filter(kind="client", revoked_at=None).count() == 1


def test_a_client_of_nothing_is_refused(client: Client) -> None:
    made = ClientSecret("osc_stray", "oss_stray")
    Application.objects.create(
        client_id=made.client_id,
        client_secret="stray",
        hash_client_secret=False,
        client_type="confidential",
        authorization_grant_type="client-credentials",
    )
    assert ask(client, made).status_code == 401


def test_an_erased_buyer_s_client_is_forgotten(
    client: Client, ben: User, bought: Bought, client_secret: ClientSecret
) -> None:
    ask(client, client_secret)
    end_tokens(buyer=ben, at=timezone.now())
    assert not ShortToken.objects.exists()
    assert not Application.objects.filter(client_id=client_secret.client_id).exists()
    assert (row().prefix, row().revoked_at is None) == ("", False)
    assert ask(client, client_secret).status_code == 401
