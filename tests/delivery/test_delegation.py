"""Tokens that a buyer narrows by himself and passes on, with nothing but the Biscuit library."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import pytest
from biscuit_auth import Biscuit, BiscuitBuilder, BlockBuilder, KeyPair, PublicKey
from django.test import Client
from django.utils import timezone
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.models import OutboxRow
from marketplace.access import authorising, errors
from marketplace.access.delegation import LONGEST_DELEGATED, delegable_text, read_checks, read_delegation
from marketplace.access.models import AccessToken
from marketplace.access.services import (
    Narrowing,
    authorise,
    delegable_token,
    delegation_key,
    issue_client,
    issue_token,
    meter_read,
    revoke_token,
    rotate_token,
)
from marketplace.consents.services import withdraw_consent
from tests.builders_delivery import bearer
from tests.builders_money import at_once
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def mother(bought: Bought) -> str:
    return delegable_token(token=bought.token, at=bought.at)


def narrowed(text: str, code: str, **values: Any) -> str:
    """What docs/buying.md tells a buyer to do."""
    biscuit = Biscuit.from_base64(text.removeprefix("osb_"), PublicKey(delegation_key()))
    return "osb_" + biscuit.append(BlockBuilder(code, values)).to_base64()


def until(text: str, moment: datetime) -> str:
    return narrowed(text, "check if time($t), $t < {until}", until=moment)


def children() -> list[AccessToken]:
    return list(AccessToken.objects.filter(kind="delegated").order_by("pk"))


def test_the_door_opens_for_what_was_passed_on(client: Client, bought: Bought, mother: str) -> None:
    text = until(mother, bought.at + DAY)
    assert client.get(f"{bought.table}/metadata", headers=bearer(text)).status_code == 200
    child = children()[0]
    assert (child.parent, child.expires_at) == (bought.token, (bought.at + DAY).replace(microsecond=0))
    assert child.prefix == "osb_" + read_delegation(text).blocks[0].mark.hex()[:6]
    assert authorise(token=text, at=timezone.now()).token == child
    assert b'"reason":"delegation"' in bytes(OutboxRow.objects.get(entry_id=child.entry_id).body)
    assert len(children()) == 1


def test_each_check_narrows(bought: Bought, mother: str) -> None:
    code = """
        check if time($t), $t < {until};
        check if field($f), {fields}.contains($f);
        check if reading($t), $t >= {start}, $t < {end};
        check if rows($n), $n <= 1000;
        check if requests($n), $n <= 60;
        check if network($n), {networks}.contains($n);
    """
    start = datetime(2026, 1, 1, tzinfo=UTC)
    text = narrowed(
        mother,
        code,
        until=bought.at + DAY,
        fields={"air_temperature", "humidity"},
        start=start,
        end=start + DAY,
        networks=["192.0.2.0/24", "2001:db8::/32"],
    )
    with pytest.raises(errors.NetworkRefused):
        authorise(token=text, at=bought.at, address="198.51.100.1")
    assert not children()
    grant = authorise(token=text, at=bought.at, address="192.0.2.1")
    assert (grant.fields, grant.window_from, grant.window_until) == (("air_temperature",), start, start + DAY)
    assert (grant.row_cap_left, grant.token.rate_per_minute) == (1000, 60)
    with pytest.raises(errors.TokenExpired):
        authorise(token=text, at=bought.at + DAY, address="192.0.2.1")


def test_never_opens_more_than_its_parent(bought: Bought) -> None:
    limits = Narrowing(window_from=bought.at - DAY, row_cap=10, expires_at=bought.at + DAY)
    parent, _ = issue_token(purchase=bought.token.purchase, at=bought.at, narrowing=limits)
    mother = delegable_token(token=parent, at=bought.at)
    text = narrowed(
        mother,
        "check if reading($t), $t >= {start}; check if rows($n), $n <= 1000; check if time($t), $t < {until}",
        start=bought.at - 9 * DAY,
        until=bought.at + 9 * DAY,
    )
    grant = authorise(token=text, at=bought.at)
    assert (grant.window_from, grant.row_cap_left, grant.expires_at) == (bought.at - DAY, 10, bought.at + DAY)
    meter_read(grant=grant, row_count=10, at=bought.at)
    for key in (grant.token.pk, parent.pk):
        assert AccessToken.objects.get(pk=key).row_count == 10
    with pytest.raises(errors.TokenRowsUsedUp):
        meter_read(grant=grant, row_count=1, at=bought.at)


def test_a_colleague_passes_it_on_again(bought: Bought, mother: str) -> None:
    first = narrowed(mother, "check if rows($n), $n <= 100")
    second, third = (narrowed(first, f"check if rows($n), $n <= {most}") for most in (50, 80))
    meter_read(grant=authorise(token=second, at=bought.at), row_count=50, at=bought.at)
    assert authorise(token=third, at=bought.at).row_cap_left == 50
    assert [child.parent for child in children()] == [bought.token, children()[0], children()[0]]
    revoke_token(token=children()[0], at=bought.at)
    for text in (first, second, third):
        with pytest.raises(errors.TokenRevoked):
            authorise(token=text, at=bought.at)


@pytest.mark.parametrize("end", ["revoked", "withdrawn", "rotated"])
def test_is_refused_when_the_parent_is(bought: Bought, mother: str, end: str) -> None:
    used, fresh = until(mother, bought.at + DAY), until(mother, bought.at + 2 * DAY)
    authorise(token=used, at=bought.at)
    at = bought.at
    expected: type[errors.AccessError] = errors.TokenRevoked
    if end == "revoked":
        revoke_token(token=bought.token, at=at)
    elif end == "withdrawn":
        withdraw_consent(consent=bought.listing.consent, at=at)
        expected = errors.ConsentWithdrawn
    else:
        rotate_token(token=bought.token, at=at)
        at, expected = at + timedelta(minutes=10), errors.TokenExpired
    for text in (used, fresh):
        with pytest.raises(expected):
            authorise(token=text, at=at)
    assert len(children()) == 1


NOT_UNDERSTOOD = [
    "check if true",
    'token("other")',
    'check if time($t), $t < 2099-01-01T00:00:00Z or field("x")',
    "check if rows($n), $n > 5",
    "check all rows($n), $n <= 5",
    "check if rows($n), $n <= 5, $n <= 6",
    'reject if field("a")',
    "grows($a, $b) <- rows($a), rows($b), rows($c)",
    'check if network($n), ["here"].contains($n)',
    'check if field($f), $f.matches("(a+)+$")',
    "check if reading($t)",
    "; ".join(["check if rows($n), $n <= 5"] * 17),
]


@pytest.mark.parametrize("code", NOT_UNDERSTOOD)
def test_what_is_not_understood_is_refused_as_a_whole(client: Client, bought: Bought, mother: str, code: str) -> None:
    text = narrowed(until(mother, bought.at + DAY), code)
    answer = client.get(f"{bought.table}/metadata", headers=bearer(text))
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "token_malformed")
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]
    assert not children()


def test_the_one_that_is_given_out_opens_nothing_before_it_is_narrowed(bought: Bought, mother: str) -> None:
    with pytest.raises(errors.TokenMalformed):
        authorise(token=mother, at=bought.at)


def test_too_many_blocks_are_refused(bought: Bought, mother: str) -> None:
    text = mother
    for number in range(4):
        text = until(text, bought.at + DAY - timedelta(hours=number))
    assert authorise(token=text, at=bought.at)
    with pytest.raises(errors.TokenMalformed):
        authorise(token=until(text, bought.at + DAY), at=bought.at)


def test_a_biscuit_of_somebody_else_s_is_unknown(client: Client, bought: Bought) -> None:
    forged = BiscuitBuilder("token({id})", {"id": str(bought.token.public_id)}).build(KeyPair().private_key)
    text = "osb_" + forged.append(BlockBuilder("check if rows($n), $n <= 5")).to_base64()
    answer = client.get(f"{bought.table}/metadata", headers=bearer(text))
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "token_unknown")
    assert not children()


@cache
def some_text() -> str:
    return narrowed(delegable_text(UUID(int=1)), "check if rows($n), $n <= 5")


@given(place=st.integers(4, 200), letter=st.sampled_from("Ab0_-=\N{SNOWMAN}\0"))
def test_changed_bytes_are_unknown(place: int, letter: str) -> None:
    text = some_text()
    assume(text[place] != letter)
    for changed in (text[:place] + letter + text[place + 1 :], text[:place]):
        with pytest.raises(errors.TokenUnknown):
            read_delegation(changed)


@pytest.mark.parametrize("text", ["osb_", "osb_AAAA", "osb_" + "A" * LONGEST_DELEGATED, "osb_\N{SNOWMAN}"])
def test_malformed_bytes_are_unknown(client: Client, text: str) -> None:
    with pytest.raises(errors.TokenUnknown):
        read_delegation(text + "A")
    if text.isascii():
        assert client.get("/delta-sharing/shares", headers=bearer(text)).status_code == 401


def test_many_names_take_no_time(bought: Bought, mother: str) -> None:
    names = {f"field-{number}" for number in range(60)}
    text = narrowed(mother, "check if field($f), {names}.contains($f)", names=names)
    with pytest.raises(errors.NothingLeft):
        authorise(token=text, at=bought.at)
    assert not children()


def test_two_checks_of_a_block_hold_together() -> None:
    source = (
        'check if field($f), {"a", "b"}.contains($f);\ncheck if field($x), ["b", "c"].contains($x);\n'
        "check if rows($n), $n <= 9;\ncheck if rows($n), $n <= 5;\n"
    )
    assert read_checks(source) == Narrowing(fields=("b",), row_cap=5)


def test_the_holder_ends_what_he_was_given(client: Client, bought: Bought, mother: str) -> None:
    text = until(mother, bought.at + DAY)
    for _ in range(2):
        assert client.post("/oauth/revoke", {"token": text}).status_code == 200
    with pytest.raises(errors.TokenRevoked):
        authorise(token=text, at=timezone.now())
    assert authorise(token=bought.text, at=timezone.now())
    assert client.post("/oauth/rotate", {"token": until(mother, bought.at + 2 * DAY)}).status_code == 400


def test_introspection_writes_nothing(client: Client, bought: Bought, mother: str) -> None:
    text = narrowed(mother, "check if rows($n), $n <= 5")
    told = client.post("/oauth/introspect", {"token": text}, headers=bearer(text)).json()
    assert (told["active"], told["row_cap_left"]) == (True, 5)
    assert not children()


def test_only_a_working_token_of_one_s_own_is_passed_on(bought: Bought) -> None:
    client_row, _ = issue_client(purchase=bought.token.purchase, at=bought.at)
    with pytest.raises(errors.NotDelegable):
        delegable_token(token=client_row, at=bought.at)
    revoke_token(token=bought.token, at=bought.at)
    bought.token.refresh_from_db()
    with pytest.raises(errors.TokenRevoked):
        delegable_token(token=bought.token, at=bought.at)


def test_no_more_are_passed_on_than_may_be(bought: Bought, mother: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authorising, "MOST_DELEGATED", 2)
    for hours in (1, 2):
        authorise(token=until(mother, bought.at + timedelta(hours=hours)), at=bought.at)
    with pytest.raises(errors.TooManyDelegated):
        authorise(token=until(mother, bought.at + DAY), at=bought.at)
    assert len(children()) == 2


@pytest.mark.django_db(transaction=True)
def test_first_uses_at_once_are_one_token(bought: Bought, mother: str) -> None:
    text = narrowed(until(mother, bought.at + DAY), "check if rows($n), $n <= 5")
    grants = at_once([lambda: authorise(token=text, at=bought.at).token.pk for _ in range(6)])
    assert set(grants) == {children()[1].pk}
    assert len(children()) == 2
