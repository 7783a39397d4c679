"""Many tokens asked at once are answered as each would be alone, with as many queries as for one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketplace.access.errors import AccessError, TokenUnknown
from marketplace.access.models import AccessToken
from marketplace.access.services import (
    Grant,
    authorise_all,
    authorise_token_id,
    issue_token,
    revoke_token,
    rotate_token,
)
from marketplace.accounts.models import User
from marketplace.listings.entries import PlanTerms
from marketplace.purchases.services import (
    refund_on_request,
    withdraw_consent_with_refunds,
    withdraw_listing_with_refunds,
)
from tests.builders import EURO, make_listing
from tests.builders_delivery import buy
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db

Act = Callable[[AccessToken, datetime], object]
RENEWING = PlanTerms("period", EURO, 30 * 86_400, is_renewing=True)
LATER = timedelta(minutes=20)


def close_account(token: AccessToken, at: datetime) -> None:
    User.objects.filter(pk=token.purchase.buyer_id).update(is_active=False)


ACTS: dict[str, Act] = {
    "nothing": lambda token, at: None,
    "revoked": lambda token, at: revoke_token(token=token, at=at),
    "replaced": lambda token, at: rotate_token(token=token, at=at),
    "consent withdrawn": lambda token, at: withdraw_consent_with_refunds(consent=token.purchase.listing.consent, at=at),
    "listing withdrawn": lambda token, at: withdraw_listing_with_refunds(listing=token.purchase.listing, at=at),
    "given back": lambda token, at: refund_on_request(purchase=token.purchase, at=at),
    "account closed": close_account,
}
AFTER = [LATER, timedelta(days=59), timedelta(days=61), timedelta(days=4000)]


def make_token(seller: User, buyer: User, at: datetime, plan: PlanTerms = RENEWING) -> AccessToken:
    return issue_token(purchase=buy(make_listing(seller, at, plans=[plan]), buyer, at), at=at)[0]


@pytest.mark.parametrize("after", AFTER, ids=str)
@pytest.mark.parametrize("name", ACTS)
def test_answers_as_each_alone(sara: User, ben: User, now: datetime, name: str, after: timedelta) -> None:
    fill_wallet(ben, 20, now)
    token, other = make_token(sara, ben, now), make_token(sara, ben, now, PlanTerms("free"))
    ACTS[name](token, now + timedelta(minutes=1))
    at, unknown = now + after, uuid4()
    together = authorise_all([token.public_id, other.public_id, unknown], at)
    assert {key: facts(answer) for key, answer in together.items()} == {
        key: facts(alone(key, at)) for key in (token.public_id, other.public_id, unknown)
    }
    assert isinstance(together[unknown], TokenUnknown)


def test_asks_once_for_all(sara: User, ben: User, now: datetime) -> None:
    fill_wallet(ben, 20, now)
    tokens = [make_token(sara, ben, now).public_id for _ in range(4)]
    authorise_all(tokens, now)
    with CaptureQueriesContext(
        connection,
    ) as of_one:
        authorise_all(tokens[:1], now)
    with CaptureQueriesContext(connection) as of_all:
        authorise_all(tokens, now)
    assert len(of_all) == len(of_one)


def alone(public_id: UUID, at: datetime) -> Grant | AccessError:
    try:
        return authorise_token_id(public_id, at)
    except AccessError as error:
        return error


def facts(answer: Grant | AccessError) -> object:
    if isinstance(answer, AccessError):
        return answer.code
    return answer.token.pk, answer.purchase.pk, answer.fields, answer.window_from, answer.window_until
