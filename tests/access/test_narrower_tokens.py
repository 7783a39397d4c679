from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache

from ledger.models import OutboxRow
from marketplace.access import errors
from marketplace.access.models import AccessToken
from marketplace.access.services import (
    Narrowing,
    authorise,
    authorise_token_id,
    end_tokens,
    issue_token,
    meter_read,
    read_networks,
    rotate_token,
)
from marketplace.accounts.models import User
from marketplace.consents.services import Terms, narrow_consent
from marketplace.purchases.models import Purchase
from tests.builders import make_consent, make_listing
from tests.builders_delivery import FREE, buy
from tests.builders_money import at_once

pytestmark = pytest.mark.django_db

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
FIELDS = ["humidity", "air_temperature"]


@pytest.fixture
def purchase(sara: User, ben: User, now: datetime) -> Purchase:
    cache.clear()
    consent = make_consent(sara, now, fields=FIELDS, valid_until=now + 100 * DAY)
    return buy(make_listing(sara, now, consent=consent, plans=[FREE]), ben, now)


def issue(purchase: Purchase, at: datetime, **narrowing: Any) -> tuple[AccessToken, str]:
    return issue_token(purchase=purchase, at=at, narrowing=Narrowing(**narrowing))


def test_a_token_without_limits_opens_everything(purchase: Purchase, now: datetime) -> None:
    _, text = issue(purchase, now)
    grant = authorise(token=text, at=now)
    assert (grant.fields, grant.window_from, grant.window_until) == (tuple(FIELDS), None, now)
    assert (grant.row_cap_left, grant.is_counted) == (None, False)


def test_opens_its_own_fields_and_window_only(purchase: Purchase, now: datetime) -> None:
    token, text = issue_token(
        purchase=purchase,
        at=now,
        name=" The  report ",
        narrowing=Narrowing(fields=("air_temperature",), window_from=now - 3 * DAY, window_until=now - 2 * DAY),
    )
    grant = authorise(token=text, at=now)
    assert (grant.fields, grant.window_from, grant.window_until) == (
        ("air_temperature",),
        now - 3 * DAY,
        now - 2 * DAY,
    )
    assert (token.name, token.is_narrowed) == ("The report", True)
    again = grant.with_window(None, now)
    assert (again.window_from, again.window_until) == (now - 3 * DAY, now - 2 * DAY)


def test_ends_at_its_own_time(purchase: Purchase, now: datetime) -> None:
    token, text = issue(purchase, now, expires_at=now + DAY)
    assert token.expires_at == now + DAY
    assert authorise(token=text, at=now + DAY - SECOND)
    with pytest.raises(errors.TokenExpired):
        authorise(token=text, at=now + DAY)


def test_a_narrowed_consent_narrows_the_token(purchase: Purchase, sara: User, now: datetime) -> None:
    _, both = issue(purchase, now)
    _, gone = issue(purchase, now, fields=("humidity",))
    consent = purchase.listing.consent
    terms = Terms.of(consent)
    narrower = Terms(["air_temperature"], terms.purposes, terms.resolution, terms.delay_seconds, terms.valid_until)
    narrow_consent(consent=consent, terms=narrower, at=now)
    assert authorise(token=both, at=now).fields == ("air_temperature",)
    with pytest.raises(errors.NothingLeft) as refused:
        authorise(token=gone, at=now)
    assert (refused.value.http_status, refused.value.code) == (403, "nothing_left")


WIDER: dict[str, dict[str, Any]] = {
    "fields": {"fields": ("humidity", "position")},
    "expires_at": {"expires_at": 101 * DAY},
    "window_until": {"window_until": 366 * DAY},
}
SENSELESS: dict[str, dict[str, Any]] = {
    "fields": {"fields": ()},
    "window_until": {"window_from": -2 * DAY, "window_until": -2 * DAY},
    "expires_at": {"expires_at": 0 * DAY},
    "rate_per_minute": {"rate_per_minute": 0},
    "row_cap": {"row_cap": 10**12 + 1},
}


@pytest.mark.parametrize(
    ("error", "field", "values"),
    [(errors.TokenTooWide, field, values) for field, values in WIDER.items()]
    + [(errors.NarrowingInvalid, field, values) for field, values in SENSELESS.items()],
)
def test_refuses_what_is_wider_or_makes_no_sense(
    purchase: Purchase, now: datetime, error: type[errors.AccessError], field: str, values: dict[str, Any]
) -> None:
    moments = {name: now + value if isinstance(value, timedelta) else value for name, value in values.items()}
    with pytest.raises(error) as refused:
        issue(purchase, now, **moments)
    assert refused.value.details["field"] == field
    assert not AccessToken.objects.exists()
    assert not OutboxRow.objects.filter(kind__startswith="access.").exists()


def test_a_window_cannot_begin_before_that_of_the_purchase(purchase: Purchase, now: datetime) -> None:
    Purchase.objects.update(window_from=now - DAY)
    with pytest.raises(errors.TokenTooWide):
        issue(purchase, now, window_from=now - 2 * DAY)


@pytest.mark.parametrize(
    ("address", "is_let_in"),
    [
        ("192.0.2.9", True),
        ("::ffff:192.0.2.9", True),
        ("192.0.3.9", False),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("unknown", False),
        ("", False),
        (None, False),
    ],
)
def test_lets_in_its_networks_only(purchase: Purchase, now: datetime, address: str | None, is_let_in: bool) -> None:
    token, text = issue(purchase, now, networks=read_networks(["192.0.2.7/24", "2001:db8::/32"]))
    assert token.networks == ["192.0.2.0/24", "2001:db8::/32"]
    if is_let_in:
        assert authorise(token=text, at=now, address=address).token == token
    else:
        with pytest.raises(errors.NetworkRefused):
            authorise(token=text, at=now, address=address)
        assert AccessToken.objects.get().last_used_at is None
    if address:
        if is_let_in:
            assert authorise_token_id(token.public_id, now, address)
        else:
            with pytest.raises(errors.NetworkRefused):
                authorise_token_id(token.public_id, now, address)


@pytest.mark.parametrize("texts", [["192.0.2.0/33"], ["here"], [""], [f"10.0.{number}.0/24" for number in range(21)]])
def test_refuses_networks_that_are_none_or_too_many(texts: list[str]) -> None:
    with pytest.raises(errors.NarrowingInvalid):
        read_networks(texts)


def test_a_mapped_network_is_taken_as_what_it_means() -> None:
    assert read_networks(["::ffff:192.0.2.0/120", "192.0.2.0/24"]) == ("192.0.2.0/24",)


def test_notes_from_where_it_was_used(purchase: Purchase, now: datetime) -> None:
    _, text = issue(purchase, now)
    authorise(token=text, at=now, address="2001:db8::1")
    assert AccessToken.objects.get().last_used_from == "2001:db8::1"
    authorise(token=text, at=now + DAY, address="no address")
    assert (AccessToken.objects.get().last_used_at, AccessToken.objects.get().last_used_from) == (
        now + DAY,
        "2001:db8::1",
    )


def test_counts_requests_by_the_minute_also_over_a_rotation(purchase: Purchase, now: datetime) -> None:
    at = now.replace(second=10, microsecond=0)
    token, text = issue(purchase, now, rate_per_minute=3)
    for _ in range(2):
        authorise(token=text, at=at)
    _, new = rotate_token(token=token, at=at)
    authorise(token=new, at=at)
    for one in (text, new):
        with pytest.raises(errors.RateExceeded) as refused:
            authorise(token=one, at=at)
        assert (refused.value.http_status, refused.value.details) == (429, {"retry_after_seconds": 50})
    assert authorise(token=new, at=at + 50 * SECOND)


def test_reads_as_many_rows_as_it_may_also_over_a_rotation(purchase: Purchase, now: datetime) -> None:
    token, text = issue(purchase, now, row_cap=100)
    grant = authorise(token=text, at=now)
    assert (grant.row_cap_left, grant.is_counted) == (100, True)
    meter_read(grant=grant, row_count=60, at=now)
    _, new = rotate_token(token=token, at=now)
    grant = authorise(token=new, at=now)
    assert grant.row_cap_left == 40
    with pytest.raises(errors.TokenRowsUsedUp):
        meter_read(grant=grant, row_count=41, at=now)
    meter_read(grant=grant, row_count=40, at=now)
    assert AccessToken.objects.get(pk=token.pk).row_count == 100
    assert authorise(token=text, at=now).row_cap_left == 0


@pytest.mark.django_db(transaction=True)
def test_the_rows_of_many_readers_never_pass_the_cap(sara: User, ben: User, now: datetime) -> None:
    purchase = buy(make_listing(sara, now, plans=[FREE]), ben, now)
    token, _ = issue(purchase, now, row_cap=50)

    def read() -> int:
        done = 0
        for _ in range(5):
            grant = authorise_token_id(token.public_id, now)
            try:
                meter_read(grant=grant, row_count=3, at=now)
            except errors.TokenRowsUsedUp:
                continue
            done += 3
        return done

    counts = at_once([read for _ in range(8)])
    assert sum(count for count in counts if isinstance(count, int)) == 48
    assert AccessToken.objects.get(pk=token.pk).row_count == 48


def test_the_tokens_of_an_erased_buyer_say_nothing_of_him(purchase: Purchase, ben: User, now: datetime) -> None:
    _, text = issue_token(
        purchase=purchase, at=now, name="Ben at home", narrowing=Narrowing(networks=read_networks(["192.0.2.0/24"]))
    )
    authorise(token=text, at=now, address="192.0.2.7")
    end_tokens(buyer=ben, at=now)
    token = AccessToken.objects.get()
    assert (token.name, token.networks, token.last_used_from, token.prefix) == ("", [], None, "")
    with pytest.raises(errors.TokenUnknown):
        authorise(token=text, at=now, address="192.0.2.7")
