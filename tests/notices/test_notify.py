"""What a notice may say, and that it is written with what it is about or not at all."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from marketplace.accounts.models import User
from marketplace.accounts.services import blank_account
from marketplace.notices.kinds import ALWAYS_MAILED, FACTS_OF_KIND, LABELS, NoticeKind, check_facts
from marketplace.notices.models import Notice
from marketplace.notices.services import NoticeDraft, notify, notify_many
from tests.builders_notices import SOME_ID, facts_of, tell

SALE = NoticeKind.SALE


def test_every_kind_has_its_facts_and_its_label() -> None:
    assert set(FACTS_OF_KIND) == set(LABELS) == set(NoticeKind)
    assert {NoticeKind.WITHDRAWAL, NoticeKind.PAYMENT_FAILURE, NoticeKind.HANDOVER} == ALWAYS_MAILED


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_tells_of_each_kind(sara: User, now: datetime, kind: NoticeKind) -> None:
    notify(user=sara, kind=kind.value, facts=facts_of(kind), at=now, reference=SOME_ID)
    notice = Notice.objects.get()
    assert (notice.user, notice.kind, notice.facts, notice.at) == (sara, kind, facts_of(kind), now)
    assert (notice.reference, notice.read_at, notice.dispatched_at, notice.mail_state) == (SOME_ID, None, None, "new")


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (SALE, {"price_micros": "12"}),
        (SALE, {"price_micros": True}),
        (SALE, {"price_micros": 1.5}),
        (SALE, {"price_micros": 2**63}),
        (SALE, {"purchase": "6F1C8A52-9D0E-4C7B-8A41-2B6D3E5F7081"}),
        (SALE, {"purchase": ""}),
        (SALE, {"listing": "mine"}),
        (SALE, {"title": ""}),
        (SALE, {"title": "x" * 501}),
        (SALE, {"title": "nul\0"}),
        (SALE, {"title": 7}),
        (SALE, {"currency": "eur"}),
        (SALE, {"name": "sara"}),
        (NoticeKind.EXPIRY, {"until": "2026-04-01T00:00:00"}),
        (NoticeKind.EXPIRY, {"until": "soon"}),
        (NoticeKind.REFUND, {"reason": "He was angry."}),
    ],
)
def test_refuses_facts_that_are_not_of_the_kind(
    sara: User, now: datetime, kind: NoticeKind, changes: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"notice of"):
        notify(user=sara, kind=kind, facts=facts_of(kind, **changes), at=now)
    assert not Notice.objects.exists()


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_refuses_a_missing_fact(kind: NoticeKind) -> None:
    for name in FACTS_OF_KIND[kind]:
        facts = facts_of(kind)
        del facts[name]
        with pytest.raises(ValueError, match=name):
            check_facts(kind, facts)


def test_refuses_an_unknown_kind(sara: User, now: datetime) -> None:
    with pytest.raises(ValueError, match="gossip"):
        notify(user=sara, kind="gossip", facts={}, at=now)
    with pytest.raises(IntegrityError, match="notice_kind_is_known"), transaction.atomic():
        Notice.objects.create(user=sara, kind="gossip", facts={}, at=now)


def test_a_payment_that_failed_may_belong_to_no_purchase(sara: User, now: datetime) -> None:
    tell(sara, NoticeKind.PAYMENT_FAILURE, now, purchase="", title="")
    assert Notice.objects.get().facts["purchase"] == ""


def test_tells_a_thousand_people_in_one_statement(
    sara: User, ben: User, now: datetime, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    drafts = [NoticeDraft((sara, ben)[n % 2], SALE, facts_of(SALE, price_micros=n), now) for n in range(1000)]
    with django_assert_num_queries(1):
        notify_many(drafts)
    assert Notice.objects.for_person(sara).count() == 500
    assert [notice.facts["price_micros"] for notice in Notice.objects.order_by("id")] == list(range(1000))


def test_one_wrong_draft_of_many_leaves_nothing(sara: User, now: datetime) -> None:
    with pytest.raises(ValueError, match="title"):
        notify_many(
            [NoticeDraft(sara, SALE, facts_of(SALE), now), NoticeDraft(sara, SALE, facts_of(SALE, title=""), now)]
        )
    assert not Notice.objects.exists()


def test_telling_nobody_asks_nothing(db: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        notify_many([])


def test_is_taken_back_with_what_it_is_about(sara: User, now: datetime) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        tell(sara, SALE, now)
        raise RuntimeError
    assert not Notice.objects.exists()


def test_the_same_thing_is_told_once(sara: User, ben: User, now: datetime) -> None:
    for day in range(3):
        for person in (sara, ben):
            notify(user=person, kind=SALE, facts=facts_of(SALE), at=now + timedelta(days=day), once="one")
    notify(user=sara, kind=SALE, facts=facts_of(SALE), at=now, once="two")
    notify(user=sara, kind=SALE, facts=facts_of(SALE), at=now)
    notify(user=sara, kind=SALE, facts=facts_of(SALE), at=now)
    told = Notice.objects.order_by("id").values_list("user__email", "once")
    assert list(told) == [
        *[("sara@example.test", "one"), ("ben@example.test", "one")],
        *[("sara@example.test", "two"), ("sara@example.test", None), ("sara@example.test", None)],
    ]


def test_nobody_tells_an_erased_account(sara: User, ben: User, now: datetime) -> None:
    tell(sara, SALE, now)
    blank_account(user=sara, at=now)
    assert not Notice.objects.exists()
    notify_many([NoticeDraft(sara, SALE, facts_of(SALE), now), NoticeDraft(ben, SALE, facts_of(SALE), now)])
    assert [notice.user for notice in Notice.objects.all()] == [ben]
