"""A withdrawal against tokens that are being made and used at the same time, on real connections."""

import threading
import time
from datetime import datetime

import pytest

from marketplace.access import errors
from marketplace.access.services import authorise, issue_token
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from tests.builders import make_listing
from tests.builders_delivery import FREE, buy
from tests.builders_money import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_token_works_once_the_withdrawal_was_answered(sara: User, ben: User, now: datetime) -> None:
    listing = make_listing(sara, now, plans=[FREE])
    _, text = issue_token(purchase=buy(listing, ben, now), at=now)
    has_started, answered_at = threading.Event(), [0.0]
    let_in_at: list[float] = []

    def read_until_refused() -> str:
        while True:
            asked_at = time.monotonic()
            try:
                authorise(token=text, at=now)
            except errors.AccessError as error:
                return error.code
            let_in_at.append(asked_at)
            has_started.set()

    def withdraw() -> str:
        has_started.wait(timeout=10)
        withdraw_consent(consent=listing.consent, at=now)
        answered_at[0] = time.monotonic()
        return "withdrawn"

    outcomes = at_once([read_until_refused, read_until_refused, withdraw])

    assert outcomes == ["consent_withdrawn", "consent_withdrawn", "withdrawn"]
    assert max(let_in_at) < answered_at[0]


def test_a_token_made_meanwhile_is_refused_as_well(sara: User, ben: User, now: datetime) -> None:
    listing = make_listing(sara, now, plans=[FREE])
    purchase = buy(listing, ben, now)

    def issue() -> str | None:
        try:
            return issue_token(purchase=purchase, at=now)[1]
        except errors.ConsentWithdrawn:
            return None

    def withdraw() -> None:
        withdraw_consent(consent=listing.consent, at=now)

    outcomes = at_once([issue, withdraw, issue])

    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    for text in (outcome for outcome in outcomes if isinstance(outcome, str)):
        with pytest.raises(errors.ConsentWithdrawn):
            authorise(token=text, at=now)
