"""Tokens that are no good, at every door: each is told why, and nothing is counted or told of what is another's."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
import time_machine
from biscuit_auth import Biscuit, BlockBuilder, PublicKey
from django.test import Client
from django.utils import timezone
from oauth2_provider.models import AccessToken as ShortToken

from marketplace.access.models import AccessToken
from marketplace.access.services import (
    Narrowing,
    delegable_token,
    delegation_key,
    issue_client,
    issue_token,
    revoke_token,
)
from marketplace.accounts.models import User
from marketplace.delivery.doors.links import SIGNATURE_PARAMETER, LinkSigner
from marketplace.delivery.models import Read, Segment
from tests.builders_delivery import bearer, buy_token, make_stocked_listing
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def doors(bought: Bought, purchase_id: UUID | None = None, table: str = "") -> list[tuple[str, str]]:
    data, table = f"/data/{purchase_id or bought.token.purchase.public_id}", table or bought.table
    shared = [("POST", f"{table}/query"), ("GET", f"{table}/metadata"), ("GET", f"{table}/changes?startingVersion=1")]
    return [*shared, ("GET", f"{data}/readings?format=csv"), ("HEAD", f"{data}/readings"), ("GET", f"{data}/evidence")]


def ask(client: Client, doors: list[tuple[str, str]], headers: dict[str, str]) -> list[tuple[int, bytes]]:
    """Return status and body of each door. No refusal has a traceback, and none is counted."""
    answers = []
    for method, path in doors:
        answer: Any = client.generic(method, path, b"{}", content_type="application/json", headers=headers)
        assert not answer.streaming, path
        assert b"Traceback" not in answer.content
        answers.append((answer.status_code, answer.content))
    assert not Read.objects.exists()
    return answers


def codes(answers: list[tuple[int, bytes]]) -> set[tuple[int, str]]:
    return {(status, json.loads(body)["errorCode"]) for status, body in answers if body}


def passed_on(text: str, code: str) -> str:
    biscuit = Biscuit.from_base64(text.removeprefix("osb_"), PublicKey(delegation_key()))
    return "osb_" + biscuit.append(BlockBuilder(code)).to_base64()


def short_token(client: Client, bought: Bought) -> str:
    made = issue_client(purchase=bought.token.purchase, at=bought.at)[1]
    basic = base64.b64encode(f"{made.client_id}:{made.secret}".encode()).decode()
    answer = client.post(
        "/oauth/token", {"grant_type": "client_credentials"}, headers={"Authorization": f"Basic {basic}"}
    )
    return str(answer.json()["access_token"])


def token_of(kind: str, client: Client, bought: Bought) -> str:
    if kind == "own":
        return bought.text
    if kind == "passed on":
        return passed_on(delegable_token(token=bought.token, at=bought.at), "check if rows($n), $n <= 1000000")
    return short_token(client, bought)


KINDS = ["own", "passed on", "short"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_truncated_or_changed_is_unknown(client: Client, bought: Bought, kind: str) -> None:
    text = token_of(kind, client, bought)
    # The padding of base64 says nothing: without it the token is the same.
    text = text.rstrip("=")
    for wrong in (text[:-1], text[:-9], text[: len(text) // 2], text + "A", text[:4] + text[4:].swapcase(), text[:5]):
        assert codes(ask(client, doors(bought), bearer(wrong))) == {(401, "token_unknown")}, wrong


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_revoked_says_so(client: Client, bought: Bought, kind: str) -> None:
    text = token_of(kind, client, bought)
    for token in AccessToken.objects.all():
        revoke_token(token=token, at=timezone.now())
    assert codes(ask(client, doors(bought), bearer(text))) == {(401, "token_revoked")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_expired_says_so(client: Client, bought: Bought, kind: str) -> None:
    text = token_of(kind, client, bought)
    if kind == "short":
        ShortToken.objects.update(expires=timezone.now())
    else:
        AccessToken.objects.update(expires_at=timezone.now())
    assert codes(ask(client, doors(bought), bearer(text))) == {(401, "token_expired")}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_another_s_and_what_never_was_are_answered_alike(
    client: Client, bought: Bought, sara: User, mallory: User, kind: str
) -> None:
    text = token_of(kind, client, bought)
    _, other = make_stocked_listing(sara, bought.at)
    theirs, _ = buy_token(other, mallory, bought.at)
    table = bought.table.replace(bought.listing.share_name, other.share_name)
    foreign = ask(client, doors(bought, theirs.purchase.public_id, table), bearer(text))
    missing_table = bought.table.replace(bought.listing.share_name, "never-was")
    missing = ask(client, doors(bought, uuid4(), missing_table), bearer(text))
    assert foreign == missing
    assert codes(foreign) == {(404, "RESOURCE_DOES_NOT_EXIST")}
    files = [Segment.objects.get(table__listing=other).public_id, uuid4()]
    signer = LinkSigner(token_id=bought.token.public_id, at=timezone.now())
    links = [("GET", f"/delta-sharing/files/{one}.parquet?{SIGNATURE_PARAMETER}={signer.sign(one)}") for one in files]
    proofs = [("GET", f"/data/files/{one}/proof") for one in files]
    for pair in (links, proofs):
        found = ask(client, pair, bearer(text))
        assert found[0] == found[1]
        assert codes(found) == {(404, "RESOURCE_DOES_NOT_EXIST")}


def test_names_with_a_slash_or_of_another_table_are_not_there(client: Client, bought: Bought) -> None:
    root = bought.table.removesuffix("/readings")
    for name in ("read%2Fings", "readings%2F", "..%2Freadings", "%2Freadings", "readings%00", "readings%20", "other"):
        for method, act in (("POST", "query"), ("GET", "metadata"), ("GET", "version"), ("GET", "changes")):
            answer = client.generic(method, f"{root}/{name}/{act}", b"{}", headers=bought.headers)
            assert answer.status_code in {400, 404}, (name, act)
            assert b"Traceback" not in answer.content
    assert not Read.objects.exists()


def test_what_is_widened_opens_no_more(client: Client, bought: Bought) -> None:
    narrow = Narrowing(window_from=bought.at - DAY * 9, window_until=bought.at - DAY * 8)
    token, text = issue_token(purchase=bought.token.purchase, at=bought.at, narrowing=narrow)
    wider = passed_on(delegable_token(token=token, at=bought.at), "check if rows($n), $n <= 1000000")
    for one in (text, wider):
        data = client.get(
            f"/data/{bought.token.purchase.public_id}/readings?format=csv&from=1999-01-01", headers=bearer(one)
        )
        assert b"".join(data).splitlines()[1:] == []
        query = client.post(f"{bought.table}/query", b"{}", content_type="application/json", headers=bearer(one))
        assert len(query.content.splitlines()) == 2
    assert sum(Read.objects.values_list("row_count", flat=True)) == 0


def test_a_link_ends_with_the_token_that_it_names(client: Client, bought: Bought) -> None:
    answer = client.post(f"{bought.table}/query", b"{}", content_type="application/json", headers=bought.headers)
    Read.objects.all().delete()
    parts = urlsplit(json.loads(answer.content.splitlines()[2])["file"]["url"])
    link = [("GET", f"{parts.path}?{parts.query}"), ("HEAD", f"{parts.path}?{parts.query}")]
    late = timezone.now() + timedelta(seconds=301)
    with time_machine.travel(late, tick=False):
        assert codes(ask(client, link, {})) == {(403, "link_expired")}
    for cut in (-1, -20, -60):
        assert codes(ask(client, [("GET", link[0][1][:cut])], {})) == {(403, "link_invalid")}
    AccessToken.objects.update(expires_at=timezone.now())
    assert codes(ask(client, link, {})) == {(401, "token_expired")}
