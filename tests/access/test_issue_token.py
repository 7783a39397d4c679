import hashlib
from datetime import datetime, timedelta

import orjson
import pytest

from ledger.models import Entry, OutboxRow
from ledger.services import sequence_batch
from marketplace.access import errors
from marketplace.access.models import ROTATION_GRACE, AccessToken
from marketplace.access.services import MOST_TOKENS, issue_token, rotate_token
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.listings.services import withdraw_listing
from tests.builders import make_consent, make_listing
from tests.builders_delivery import FREE, buy

pytestmark = pytest.mark.django_db


def test_makes_a_token_that_is_kept_as_a_hash_only(sara: User, ben: User, now: datetime) -> None:
    purchase = buy(make_listing(sara, now, plans=[FREE]), ben, now)

    token, text = issue_token(purchase=purchase, at=now)

    assert text.startswith("osm_")
    assert len(text) == len("osm_") + 43
    assert bytes(token.token_hash) == hashlib.sha256(text.encode()).digest()
    assert text.startswith(token.prefix)
    assert len(token.prefix) == 10
    assert token.expires_at == purchase.access_until


def test_records_the_grant_without_the_token(sara: User, ben: User, now: datetime) -> None:
    listing = make_listing(sara, now, plans=[FREE])
    purchase = buy(listing, ben, now)
    token, text = issue_token(purchase=purchase, at=now)
    sequence_batch(at=now)

    entry = Entry.objects.get(entry_id=token.entry_id)

    body = bytes(entry.body)
    assert entry.kind == "access.granted"
    assert set(orjson.loads(body)["refs"]) == {
        str(row.public_id) for row in (token, purchase, listing, listing.consent)
    }
    for secret in (text, bytes(token.token_hash).hex(), text[4:], ben.email, sara.email, str(ben.public_id)):
        assert secret.encode() not in body


def test_two_tokens_of_a_purchase_differ(sara: User, ben: User, now: datetime) -> None:
    purchase = buy(make_listing(sara, now, plans=[FREE]), ben, now)
    assert issue_token(purchase=purchase, at=now)[1] != issue_token(purchase=purchase, at=now)[1]


def test_waits_until_the_purchase_is_in_the_log(sara: User, ben: User, now: datetime) -> None:
    purchase = buy(make_listing(sara, now, plans=[FREE]), ben, now, is_recorded=False)
    with pytest.raises(errors.PurchaseNotRecorded):
        issue_token(purchase=purchase, at=now)
    assert_nothing_written()


def test_refuses_a_purchase_that_has_ended(sara: User, ben: User, now: datetime) -> None:
    consent = make_consent(sara, now, valid_until=now + timedelta(days=400))
    purchase = buy(make_listing(sara, now, consent=consent, plans=[FREE]), ben, now)
    with pytest.raises(errors.PurchaseEnded):
        issue_token(purchase=purchase, at=purchase.access_until)
    assert_nothing_written()


def test_refuses_under_a_withdrawn_consent(sara: User, ben: User, now: datetime) -> None:
    listing = make_listing(sara, now, plans=[FREE])
    purchase = buy(listing, ben, now)
    withdraw_consent(consent=listing.consent, at=now + timedelta(hours=1))
    with pytest.raises(errors.ConsentWithdrawn):
        issue_token(purchase=purchase, at=now + timedelta(hours=1))
    assert_nothing_written()


def test_refuses_under_a_withdrawn_listing(sara: User, ben: User, now: datetime) -> None:
    listing = make_listing(sara, now, plans=[FREE])
    purchase = buy(listing, ben, now)
    withdraw_listing(listing=listing, at=now + timedelta(hours=1))
    with pytest.raises(errors.ListingWithdrawn):
        issue_token(purchase=purchase, at=now + timedelta(hours=1))
    assert_nothing_written()


def test_refuses_more_working_tokens_than_a_purchase_may_have(sara: User, ben: User, now: datetime) -> None:
    purchase = buy(make_listing(sara, now, plans=[FREE]), ben, now)
    for _ in range(MOST_TOKENS):
        issue_token(purchase=purchase, at=now)
    with pytest.raises(errors.TooManyTokens):
        issue_token(purchase=purchase, at=now)
    assert AccessToken.objects.count() == MOST_TOKENS


def test_a_chain_of_rotations_makes_no_more_working_tokens_than_that(sara: User, ben: User, now: datetime) -> None:
    token, _ = issue_token(purchase=buy(make_listing(sara, now, plans=[FREE]), ben, now), at=now)
    for _ in range(MOST_TOKENS - 1):
        token, _ = rotate_token(token=token, at=now)
    with pytest.raises(errors.TooManyTokens):
        rotate_token(token=token, at=now)
    assert AccessToken.objects.count() == MOST_TOKENS
    token.refresh_from_db()
    assert token.replaced_at is None
    token, _ = rotate_token(token=token, at=now + ROTATION_GRACE)
    assert sum(one.is_usable(now + ROTATION_GRACE) for one in AccessToken.objects.all()) == 2


def assert_nothing_written() -> None:
    assert not AccessToken.objects.exists()
    assert not OutboxRow.objects.filter(kind__startswith="access.").exists()
