"""A dispute from its opening to its end: who may do what, what the money does, and what the log holds."""

import json
from datetime import timedelta

import pytest

from ledger.models import OutboxRow
from marketplace.access.errors import PurchaseRefunded
from marketplace.access.services import obstacle_to
from marketplace.disputes import errors
from marketplace.disputes.models import Dispute
from marketplace.disputes.services import MOST_DISPUTES, answer_dispute, close_dispute, decide_dispute, open_dispute
from marketplace.notices.models import Notice
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.services import (
    refund_on_request,
    release_earnings,
    withdraw_consent_with_refunds,
)
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def money(sara, ben):
    """Ben's wallet; sara's escrow and earnings."""

    def look() -> tuple[int, int, int]:
        assert unsound_accounts() == []
        return (
            balance_micros(account_of(ben)),
            balance_micros(account_of(sara, "escrow")),
            balance_micros(account_of(sara, "payable")),
        )

    return look


def kinds() -> list[str]:
    return list(OutboxRow.objects.filter(kind__startswith="dispute.").order_by("id").values_list("kind", flat=True))


def refused(act, error, money):
    before = money(), OutboxRow.objects.count(), Dispute.objects.values_list().first(), Purchase.objects.values().get()
    with pytest.raises(error):
        act()
    assert before == (
        money(),
        OutboxRow.objects.count(),
        Dispute.objects.values_list().first(),
        Purchase.objects.values().get(),
    )


def test_opening_holds_the_money_and_tells_both(dispute, purchase, ben, sara, now, money):
    assert dispute.is_open
    assert dispute.answer_due_at == now + 7 * DAY
    assert release_earnings(at=now + 30 * DAY) == 0
    assert money() == (0, 5 * EURO, 0)
    body = json.loads(bytes(OutboxRow.objects.get(entry_id=dispute.entry_id).body))
    assert (body["kind"], body["reason"], body["purchase"]) == ("dispute.opened", "wrong", str(purchase.public_id))
    assert "night" not in json.dumps(body)
    told = Notice.objects.filter(kind="dispute")
    assert {(notice.user, notice.facts["step"]) for notice in told} == {(ben, "opened"), (sara, "opened")}


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"reason": "envy"}, errors.ReasonUnknown),
        ({"text": "  "}, errors.TextMissing),
        ({"text": "x" * 4001}, errors.TextTooLong),
    ],
)
def test_opening_needs_a_reason_and_words(purchase, now, money, terms, error):
    wanted = {"purchase": purchase, "reason": "wrong", "text": "Wrong.", "at": now} | terms
    refused(lambda: open_dispute(**wanted), error, money)


def test_one_dispute_is_open_at_a_time(dispute, purchase, now, money):
    refused(
        lambda: open_dispute(purchase=purchase, reason="other", text="Again.", at=now), errors.DisputeOpenAlready, money
    )


def test_what_is_earned_already_cannot_be_disputed(purchase, now, money):
    release_earnings(at=now + 20 * DAY)
    refused(
        lambda: open_dispute(purchase=purchase, reason="wrong", text="Late.", at=now + 20 * DAY),
        errors.NothingToDispute,
        money,
    )


def test_the_owner_answers_once(dispute, now, money):
    answered = answer_dispute(dispute=dispute, text="The sensor was replaced.", at=now + DAY)
    assert (answered.answer, answered.answered_at) == ("The sensor was replaced.", now + DAY)
    assert kinds() == ["dispute.opened", "dispute.answered"]
    refused(lambda: answer_dispute(dispute=dispute, text="And more.", at=now + DAY), errors.AnsweredAlready, money)


def test_the_buyer_takes_it_back_and_the_money_goes_its_way(dispute, now, money):
    close_dispute(dispute=dispute, at=now + DAY)
    assert kinds() == ["dispute.opened", "dispute.closed"]
    assert release_earnings(at=now + 15 * DAY) == 1
    assert money() == (0, 0, 4_600_000)
    refused(lambda: close_dispute(dispute=dispute, at=now + DAY), errors.DisputeEnded, money)
    refused(lambda: answer_dispute(dispute=dispute, text="What?", at=now), errors.DisputeEnded, money)


def test_a_full_refund_that_ends_access(dispute, purchase, decide, now, money):
    answer_dispute(dispute=dispute, text="True, it was broken.", at=now + DAY)
    decided = decide_dispute(
        dispute=dispute, at=now + 2 * DAY, **decide(refund_micros=5 * EURO, ends_access=True, text="It was broken.")
    )
    assert money() == (5 * EURO, 0, 0)
    assert (decided.ruling, decided.refund, decided.ends_access) == ("refund", Refund.objects.get(), True)
    assert decided.refund.reason == "dispute_decided"
    body = json.loads(bytes(OutboxRow.objects.get(kind="dispute.decided").body))
    assert body["id"] == str(decided.decision_entry_id)
    assert (body["ruling"], body["refund_micros"], body["ends_access"]) == ("refund", "5000000", True)
    fresh = Purchase.objects.select_related("listing__consent").get()
    assert isinstance(obstacle_to(fresh, now + 2 * DAY), PurchaseRefunded)
    refused(lambda: decide_dispute(dispute=dispute, at=now, **decide()), errors.DisputeEnded, money)


def test_a_part_goes_back_and_the_rest_is_earned(dispute, purchase, decide, now, money):
    answer_dispute(dispute=dispute, text="Half of it.", at=now)
    decide_dispute(dispute=dispute, at=now, **decide(refund_micros=2 * EURO, text="Half was missing."))
    assert money() == (2 * EURO, 0, 2_760_000)
    fresh = Purchase.objects.select_related("listing__consent").get()
    assert (fresh.ended_at, fresh.disputed_at, fresh.release_due_at) == (None, None, None)
    assert obstacle_to(fresh, now) is None


def test_a_rejection_releases_everything(dispute, decide, now, money):
    answer_dispute(dispute=dispute, text="It is fine.", at=now)
    decided = decide_dispute(dispute=dispute, at=now, **decide())
    assert (decided.ruling, decided.refund) == ("reject", None)
    assert money() == (0, 0, 4_600_000)


def test_without_an_answer_an_operator_waits_a_week(dispute, decide, now, money):
    soon = now + 7 * DAY - timedelta(seconds=1)
    refused(lambda: decide_dispute(dispute=dispute, at=soon, **decide()), errors.AnswerAwaited, money)
    assert decide_dispute(dispute=dispute, at=now + 7 * DAY, **decide()).ruling == "reject"


@pytest.mark.parametrize("micros", [-1, 5 * EURO + 1])
def test_a_refund_is_at_most_what_is_on_hold(dispute, decide, now, money, micros):
    answer_dispute(dispute=dispute, text="No.", at=now)
    refused(
        lambda: decide_dispute(dispute=dispute, at=now, **decide(refund_micros=micros)), errors.RefundOutOfRange, money
    )


@pytest.mark.parametrize("person", ["sara", "ben"])
def test_nobody_decides_his_own_dispute(dispute, decide, sara, ben, now, money, person):
    answer_dispute(dispute=dispute, text="No.", at=now)
    party = {"sara": sara, "ben": ben}[person]
    refused(lambda: decide_dispute(dispute=dispute, at=now, **decide(by=party)), errors.PartyDecides, money)


def test_a_withdrawal_releases_nothing_that_is_disputed(dispute, purchase, decide, now, money):
    withdraw_consent_with_refunds(consent=purchase.listing.consent, at=now + DAY)
    assert money() == (0, 5 * EURO, 0)
    decide_dispute(dispute=dispute, at=now + 8 * DAY, **decide(refund_micros=5 * EURO))
    assert money() == (5 * EURO, 0, 0)


def test_a_second_dispute_may_follow_one_that_was_closed(dispute, purchase, now):
    close_dispute(dispute=dispute, at=now)
    assert open_dispute(purchase=purchase, reason="incomplete", text="Gaps.", at=now + DAY).is_open


def test_a_disputed_purchase_is_not_given_back_for_the_asking(dispute, purchase, now):
    with pytest.raises(Exception, match="A dispute about this purchase is open"):
        refund_on_request(purchase=purchase, at=now)


def test_who_took_three_back_opens_no_fourth(dispute, purchase, now, money):
    close_dispute(dispute=dispute, at=now)
    for number in range(1, MOST_DISPUTES):
        close_dispute(
            dispute=open_dispute(purchase=purchase, reason="wrong", text="Again.", at=now + number * DAY), at=now
        )
    refused(
        lambda: open_dispute(purchase=purchase, reason="wrong", text="Again.", at=now + 9 * DAY),
        errors.TooManyDisputes,
        money,
    )
