"""Steps of a dispute at once, on real connections: each happens once, and the money follows one of them."""

from collections.abc import Callable
from functools import partial

import pytest

from ledger.models import OutboxRow
from marketplace.disputes import errors
from marketplace.disputes.models import Dispute
from marketplace.disputes.services import answer_dispute, close_dispute, decide_dispute, open_dispute
from marketplace.purchases.models import Refund
from marketplace.purchases.services import release_earnings, withdraw_consent_with_refunds
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO
from tests.builders_money import at_once

pytestmark = pytest.mark.django_db(transaction=True)

Acts = list[Callable[[], object]]


def test_eight_openings_at_once_are_one_dispute(purchase, now):
    acts: Acts = [partial(open_dispute, purchase=purchase, reason="wrong", text="Wrong.", at=now)] * 8
    answers = at_once(acts)
    assert sum(isinstance(answer, Dispute) for answer in answers) == 1
    assert {type(answer) for answer in answers} == {Dispute, errors.DisputeOpenAlready}
    assert Dispute.objects.count() == OutboxRow.objects.filter(kind="dispute.opened").count() == 1


@pytest.mark.parametrize("_", range(3))
def test_decisions_and_a_closing_at_once_end_it_once(dispute, decide, ben, sara, now, _):
    answer_dispute(dispute=dispute, text="No.", at=now)
    decisions = [
        partial(decide_dispute, dispute=dispute, at=now, **decide(refund_micros=micros))
        for micros in (5 * EURO, 2 * EURO, 0)
    ]
    acts: Acts = [*decisions, partial(close_dispute, dispute=dispute, at=now)]
    answers = at_once(acts)
    assert sum(isinstance(answer, Dispute) for answer in answers) == 1
    assert sum(isinstance(answer, errors.DisputeEnded) for answer in answers) == 3
    refunded = sum(Refund.objects.values_list("amount_micros", flat=True))
    assert balance_micros(account_of(ben)) == refunded
    kept = balance_micros(account_of(sara, "escrow")) + balance_micros(account_of(sara, "payable"))
    assert refunded == 5 * EURO or kept > 0
    assert unsound_accounts() == []


def test_a_release_and_an_opening_at_once_leave_nothing_half_done(purchase, sara, now):
    later = now.replace(year=now.year + 1)
    acts: Acts = [
        partial(open_dispute, purchase=purchase, reason="wrong", text="Wrong.", at=later),
        partial(release_earnings, at=later),
    ]
    opened, _ = at_once(acts)
    on_hold = balance_micros(account_of(sara, "escrow"))
    assert on_hold == (5 * EURO if isinstance(opened, Dispute) else 0)
    assert isinstance(opened, Dispute | errors.NothingToDispute)


def test_a_withdrawal_and_an_opening_at_once_do_not_wait_in_a_circle(purchase, sara, now):
    acts: Acts = [
        partial(open_dispute, purchase=purchase, reason="wrong", text="Wrong.", at=now),
        partial(withdraw_consent_with_refunds, consent=purchase.listing.consent, at=now),
    ]
    opened, withdrawn = at_once(acts)
    assert not isinstance(withdrawn, Exception)
    assert isinstance(opened, Dispute | errors.NothingToDispute)
    assert balance_micros(account_of(sara, "escrow")) == (5 * EURO if isinstance(opened, Dispute) else 0)
    assert unsound_accounts() == []
