from datetime import datetime, timedelta

import pytest
from pytest_django import Settings

from ledger.models import OutboxRow
from marketplace.access import errors
from marketplace.access.models import AccessToken
from marketplace.access.services import authorise, issue_token, revoke_token, rotate_token
from marketplace.accounts.models import User
from tests.builders import make_listing
from tests.builders_delivery import FREE, buy
from tests.builders_money import at_once

MINUTE = timedelta(minutes=1)


@pytest.fixture
def issued(sara: User, ben: User, now: datetime) -> tuple[AccessToken, str]:
    return issue_token(purchase=buy(make_listing(sara, now, plans=[FREE]), ben, now), at=now)


def test_the_old_token_works_for_ten_more_minutes(issued: tuple[AccessToken, str], now: datetime) -> None:
    new, text = rotate_token(token=issued[0], at=now)

    assert authorise(token=text, at=now).token == new
    assert authorise(token=issued[1], at=now + 9 * MINUTE).token == issued[0]
    with pytest.raises(errors.TokenExpired):
        authorise(token=issued[1], at=now + 10 * MINUTE)
    assert authorise(token=text, at=now + 10 * MINUTE).token == new


def test_rotation_is_recorded(issued: tuple[AccessToken, str], now: datetime) -> None:
    new, _ = rotate_token(token=issued[0], at=now)
    body = bytes(OutboxRow.objects.get(entry_id=new.entry_id).body)
    assert b'"reason":"rotation"' in body


def test_who_asks_again_gets_the_same_successor(issued: tuple[AccessToken, str], now: datetime) -> None:
    first = rotate_token(token=issued[0], at=now)
    assert rotate_token(token=issued[0], at=now + 9 * MINUTE) == first
    assert AccessToken.objects.count() == 2
    assert OutboxRow.objects.filter(kind="access.granted").count() == 2


def test_the_successor_s_text_needs_our_secret(
    issued: tuple[AccessToken, str], now: datetime, settings: Settings
) -> None:
    new, text = rotate_token(token=issued[0], at=now)
    old_secret, settings.SECRET_KEY = settings.SECRET_KEY, "another" * 10
    with pytest.raises(errors.TokenExpired):
        rotate_token(token=issued[0], at=now)
    settings.SECRET_KEY_FALLBACKS = [old_secret]
    assert rotate_token(token=issued[0], at=now) == (new, text)


def test_after_the_grace_there_is_no_successor_for_it(issued: tuple[AccessToken, str], now: datetime) -> None:
    rotate_token(token=issued[0], at=now)
    with pytest.raises(errors.TokenExpired):
        rotate_token(token=issued[0], at=now + 10 * MINUTE)
    assert AccessToken.objects.count() == 2


def test_a_revoked_successor_is_not_handed_out(issued: tuple[AccessToken, str], now: datetime) -> None:
    new, _ = rotate_token(token=issued[0], at=now)
    revoke_token(token=new, at=now)
    with pytest.raises(errors.TokenRevoked):
        rotate_token(token=issued[0], at=now)


def test_revoking_a_token_ends_what_it_was_rotated_to(issued: tuple[AccessToken, str], now: datetime) -> None:
    """Whoever took it may have rotated it first."""
    taken, _ = rotate_token(token=issued[0], at=now)
    last, text = rotate_token(token=taken, at=now)
    revoke_token(token=issued[0], at=now)
    assert not AccessToken.objects.filter(revoked_at=None).exists()
    with pytest.raises(errors.TokenRevoked):
        authorise(token=text, at=now)
    assert last.purchase.tokens.count() == 3


def test_a_revoked_token_cannot_be_replaced(issued: tuple[AccessToken, str], now: datetime) -> None:
    revoke_token(token=issued[0], at=now)
    with pytest.raises(errors.TokenRevoked):
        rotate_token(token=issued[0], at=now)
    assert AccessToken.objects.count() == 1


def test_a_revoked_token_is_refused_at_once(issued: tuple[AccessToken, str], now: datetime) -> None:
    revoked = revoke_token(token=issued[0], at=now)
    with pytest.raises(errors.TokenRevoked):
        authorise(token=issued[1], at=now)
    assert OutboxRow.objects.get(kind="access.revoked").entry_id == revoked.revocation_entry_id


def test_revoking_twice_is_one_record(issued: tuple[AccessToken, str], now: datetime) -> None:
    first = revoke_token(token=issued[0], at=now)
    again = revoke_token(token=issued[0], at=now + MINUTE)
    assert again.revoked_at == first.revoked_at == now
    assert OutboxRow.objects.filter(kind="access.revoked").count() == 1


def test_revoking_takes_the_replaced_token_along(issued: tuple[AccessToken, str], now: datetime) -> None:
    new, _ = rotate_token(token=issued[0], at=now)
    revoke_token(token=new, at=now)
    with pytest.raises(errors.TokenRevoked):
        authorise(token=issued[1], at=now)


def test_revoking_one_token_leaves_the_others(issued: tuple[AccessToken, str], now: datetime) -> None:
    other, text = issue_token(purchase=issued[0].purchase, at=now)
    revoke_token(token=issued[0], at=now)
    assert authorise(token=text, at=now).token == other


@pytest.mark.django_db(transaction=True)
def test_rotations_at_once_make_one_new_token_for_all(sara: User, ben: User, now: datetime) -> None:
    token, _ = issue_token(purchase=buy(make_listing(sara, now, plans=[FREE]), ben, now), at=now)
    outcomes = at_once([lambda: rotate_token(token=token, at=now) for _ in range(4)])
    assert len({outcome[1] for outcome in outcomes if isinstance(outcome, tuple)}) == 1
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert AccessToken.objects.count() == 2
