from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketplace.access import errors
from marketplace.access.models import AccessToken
from marketplace.access.services import authorise, authorise_token_id, issue_token, obstacle_to
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.listings.services import withdraw_listing
from marketplace.purchases.models import Purchase
from tests.builders import make_consent, make_listing
from tests.builders_delivery import FREE, buy

SECOND = timedelta(seconds=1)


@pytest.fixture
def issued(sara: User, ben: User, now: datetime) -> tuple[AccessToken, str]:
    consent = make_consent(sara, now, fields=["humidity", "air_temperature"], valid_until=now + timedelta(days=100))
    return issue_token(purchase=buy(make_listing(sara, now, consent=consent, plans=[FREE]), ben, now), at=now)


def test_names_what_the_token_opens(issued: tuple[AccessToken, str], now: datetime) -> None:
    grant = authorise(token=issued[1], at=now)
    purchase = issued[0].purchase
    assert (grant.token, grant.purchase, grant.listing) == (issued[0], purchase, purchase.listing)
    assert grant.consent == purchase.listing.consent
    assert (grant.window_from, grant.window_until) == (None, now)


def test_writes_its_use_once_a_minute(issued: tuple[AccessToken, str], now: datetime) -> None:
    """The prepared statement is not among the captured ones: they are what else is asked."""
    with CaptureQueriesContext(connection) as first:
        authorise(token=issued[1], at=now)
    with CaptureQueriesContext(connection) as again:
        authorise(token=issued[1], at=now + 59 * SECOND)
    assert (len(first), len(again)) == (1, 0)
    assert AccessToken.objects.get().last_used_at == now
    authorise(token=issued[1], at=now + 60 * SECOND)
    assert AccessToken.objects.get().last_used_at == now + 60 * SECOND


@pytest.mark.parametrize("text", ["osm_unknown", "", "osm_" + "A" * 43, "ü"])
def test_refuses_an_unknown_token(issued: tuple[AccessToken, str], now: datetime, text: str) -> None:
    with pytest.raises(errors.TokenUnknown) as refused:
        authorise(token=text, at=now)
    assert (refused.value.http_status, refused.value.error) == (401, "invalid_token")
    assert AccessToken.objects.get().last_used_at is None


def test_refuses_after_the_term(issued: tuple[AccessToken, str], now: datetime) -> None:
    AccessToken.objects.update(expires_at=now + SECOND)
    assert authorise(token=issued[1], at=now)
    with pytest.raises(errors.TokenExpired):
        authorise(token=issued[1], at=now + SECOND)


def test_refuses_at_once_after_the_consent_was_withdrawn(issued: tuple[AccessToken, str], now: datetime) -> None:
    withdraw_consent(consent=issued[0].purchase.listing.consent, at=now)
    with pytest.raises(errors.ConsentWithdrawn) as refused:
        authorise(token=issued[1], at=now)
    assert (refused.value.http_status, refused.value.error) == (403, "insufficient_scope")


def test_refuses_even_when_its_own_clock_is_behind(issued: tuple[AccessToken, str], now: datetime) -> None:
    withdraw_consent(consent=issued[0].purchase.listing.consent, at=now + 5 * SECOND)
    with pytest.raises(errors.ConsentWithdrawn):
        authorise(token=issued[1], at=now)


def test_refuses_at_once_after_the_listing_was_withdrawn(issued: tuple[AccessToken, str], now: datetime) -> None:
    withdraw_listing(listing=issued[0].purchase.listing, at=now)
    with pytest.raises(errors.ListingWithdrawn):
        authorise(token=issued[1], at=now)
    with pytest.raises(errors.ListingWithdrawn):
        authorise_token_id(issued[0].public_id, now)


def test_a_token_ends_with_the_consent(issued: tuple[AccessToken, str], now: datetime) -> None:
    end = now + timedelta(days=100)
    assert authorise(token=issued[1], at=end - SECOND)
    with pytest.raises(errors.TokenExpired):
        authorise(token=issued[1], at=end)


def test_refuses_when_the_consent_has_ended_whatever_the_token_says(
    issued: tuple[AccessToken, str], now: datetime
) -> None:
    AccessToken.objects.update(expires_at=now + timedelta(days=365))
    with pytest.raises(errors.ConsentEnded):
        authorise(token=issued[1], at=now + timedelta(days=100))


def test_refuses_once_the_buyer_s_account_is_closed(issued: tuple[AccessToken, str], ben: User, now: datetime) -> None:
    User.objects.filter(pk=ben.pk).update(is_active=False)
    for ask in (
        lambda: authorise(token=issued[1], at=now),
        lambda: authorise_token_id(issued[0].public_id, now),
        lambda: issue_token(purchase=Purchase.objects.get(), at=now),
    ):
        with pytest.raises(errors.AccountClosed) as refused:
            ask()
        assert (refused.value.http_status, refused.value.code) == (403, "account_closed")
    assert AccessToken.objects.get().last_used_at is None


def test_names_what_is_in_the_way(issued: tuple[AccessToken, str], now: datetime) -> None:
    purchase = issued[0].purchase
    assert obstacle_to(purchase, now) is None
    assert isinstance(obstacle_to(purchase, now + timedelta(days=100)), errors.ConsentEnded)
    purchase.access_until = now + timedelta(days=99)
    assert obstacle_to(purchase, now + timedelta(days=99) - SECOND) is None
    assert isinstance(obstacle_to(purchase, now + timedelta(days=99)), errors.PurchaseEnded)


def test_a_file_link_asks_by_the_public_id(issued: tuple[AccessToken, str], now: datetime) -> None:
    assert authorise_token_id(issued[0].public_id, now).token == issued[0]
    with pytest.raises(errors.TokenUnknown):
        authorise_token_id(uuid4(), now)
