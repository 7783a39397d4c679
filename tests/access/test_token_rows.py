"""The prepared statement gives what the ORM gives, and gives it anew each time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import models, transaction

from marketplace.access.models import AccessToken
from marketplace.access.services import Narrowing, issue_token
from marketplace.access.token_rows import token_rows
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.purchases.models import Purchase
from tests.builders import make_consent, make_listing
from tests.builders_delivery import FREE, buy

pytestmark = pytest.mark.django_db
JOINED = ("family", "purchase__buyer", "purchase__plan", "purchase__listing__consent")


def values(row: models.Model | None) -> dict[str, Any] | None:
    """Of each column, also where the ORM gives a view of bytes."""
    if row is None:
        return None
    found = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    return {name: bytes(value) if isinstance(value, memoryview) else value for name, value in found.items()}


def joined(token: AccessToken) -> list[dict[str, Any] | None]:
    purchase = token.purchase
    rows = (token, token.family, purchase, purchase.buyer, purchase.plan, purchase.listing, purchase.listing.consent)
    return [values(row) for row in rows]


@pytest.fixture
def purchase(sara: User, ben: User, now: datetime) -> Purchase:
    consent = make_consent(sara, now, fields=["air_temperature", "humidity"])
    return buy(make_listing(sara, now, consent=consent, plans=[FREE]), ben, now)


@pytest.fixture
def tokens(purchase: Purchase, now: datetime) -> list[AccessToken]:
    """One with nothing in it that may be empty, one with all, and a family."""
    plain, _ = issue_token(purchase=purchase, at=now)
    limits = Narrowing(
        fields=("air_temperature",), row_cap=10**12, rate_per_minute=7, expires_at=now + timedelta(days=1)
    )
    narrow, _ = issue_token(purchase=purchase, at=now, name="Colleague é", narrowing=limits)
    AccessToken.objects.filter(pk=narrow.pk).update(
        family=plain, networks=["192.0.2.0/24"], last_used_from="2001:db8::1"
    )
    return [plain, narrow]


def test_gives_what_the_orm_gives(tokens: list[AccessToken], django_assert_num_queries: Any) -> None:
    wanted = {row.pk: joined(row) for row in AccessToken.objects.select_related(*JOINED)}
    with django_assert_num_queries(0):
        found = {row.pk: joined(row) for row in token_rows("id", [token.pk for token in tokens])}
    assert found == wanted
    assert len(wanted) == 2


@pytest.mark.parametrize("column", ["id", "public_id", "token_hash"])
def test_finds_by_each_column(tokens: list[AccessToken], column: Any) -> None:
    (found,) = token_rows(column, [getattr(tokens[1], column)])
    assert found.pk == tokens[1].pk
    assert not found._state.adding
    assert list(token_rows(column, [])) == []


def test_sees_each_change(tokens: list[AccessToken]) -> None:
    """Also when the server has made the plan that it keeps, after the fifth time."""
    for number in range(12):
        Consent.objects.update(delay_seconds=number)
        (found,) = token_rows("id", [tokens[0].pk])
        assert found.purchase.listing.consent.delay_seconds == number


def test_is_not_asked_in_a_transaction_that_failed(tokens: list[AccessToken]) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            list(token_rows("id", [tokens[0].pk]))
