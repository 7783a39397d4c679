"""The pieces of a stream become one read a minute, to the row, and what the log names is changed by nobody."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import DatabaseError, transaction
from django.db.models import Count, Sum

from marketplace.accounts.models import User
from marketplace.delivery.models import Read, ReadSummary
from marketplace.delivery.reads.folding import fold_live_reads
from marketplace.delivery.reads.summarising import proof_of, summarise_reads
from marketplace.purchases.models import Purchase
from tests.builders_delivery import buy_token, make_stocked_listing
from tests.builders_money import at_once

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def minute(now: datetime) -> datetime:
    return now.replace(hour=12, minute=30, second=0, microsecond=0)


@pytest.fixture
def purchase(sara: User, ben: User, now: datetime) -> Purchase:
    _, listing = make_stocked_listing(sara, now)
    return buy_token(listing, ben, now)[0].purchase


def stream(purchase: Purchase, start: datetime, count: int, door: str = Read.Door.LIVE) -> None:
    token = purchase.tokens.get()
    Read.objects.bulk_create(
        Read(purchase=purchase, token=token, door=door, at=start + number * SECOND, row_count=number, byte_count=10)
        for number in range(count)
    )


def totals(purchase: Purchase) -> dict[str, int]:
    return Read.objects.filter(purchase=purchase).aggregate(rows=Sum("row_count"), bytes=Sum("byte_count"))


def test_the_pieces_of_a_minute_become_its_first(purchase: Purchase, minute: datetime) -> None:
    stream(purchase, minute, 150)
    stream(purchase, minute, 3, Read.Door.DOWNLOAD)
    before, firsts = totals(purchase), set(Read.objects.filter(at__second=0).values_list("public_id", flat=True))
    assert fold_live_reads(at=minute + 240 * SECOND) == 147
    live = Read.objects.filter(door=Read.Door.LIVE).order_by("at")
    assert [(read.at, read.row_count, read.byte_count) for read in live] == [
        (minute, sum(range(60)), 600),
        (minute + 60 * SECOND, sum(range(60, 120)), 600),
        (minute + 120 * SECOND, sum(range(120, 150)), 300),
    ]
    assert totals(purchase) == before
    assert firsts >= {read.public_id for read in live}
    assert Read.objects.filter(door=Read.Door.DOWNLOAD).count() == 3
    assert fold_live_reads(at=minute + 240 * SECOND) == 0
    assert totals(purchase) == before


def test_what_is_being_counted_now_waits(purchase: Purchase, minute: datetime) -> None:
    stream(purchase, minute, 60)
    assert fold_live_reads(at=minute + 100 * SECOND) == 9
    assert Read.objects.count() == 51
    assert fold_live_reads(at=minute + 200 * SECOND) == 50
    assert Read.objects.get().row_count == sum(range(60))


def test_each_purchase_is_folded_by_itself(purchase: Purchase, mallory: User, minute: datetime) -> None:
    other = buy_token(purchase.listing, mallory, minute)[0].purchase
    for one in (purchase, other):
        stream(one, minute, 20)
    assert fold_live_reads(at=minute + 200 * SECOND) == 38
    assert list(Read.objects.values_list("purchase").annotate(Count("pk")).order_by("purchase")) == [
        (purchase.pk, 1),
        (other.pk, 1),
    ]


def test_what_is_summed_up_stays(purchase: Purchase, minute: datetime) -> None:
    stream(purchase, minute, 5)
    summarise_reads(at=minute + DAY)
    assert fold_live_reads(at=minute + 200 * SECOND) == 0
    read = Read.objects.order_by("at")[2]
    proof = proof_of(read)
    assert proof is not None
    assert (proof.size, proof.root) == (5, bytes(ReadSummary.objects.get().root))
    changes = (
        lambda: Read.objects.filter(pk=read.pk).update(row_count=0),
        lambda: Read.objects.filter(pk=read.pk).update(summary=None),
        lambda: Read.objects.filter(pk=read.pk).delete(),
        lambda: ReadSummary.objects.update(row_count=0),
    )
    for change in changes:
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert Read.objects.count() == 5


@pytest.mark.django_db(transaction=True)
def test_folding_and_summing_up_at_the_same_time_agree(purchase: Purchase, minute: datetime) -> None:
    stream(purchase, minute, 300)
    before = totals(purchase)
    fold = partial(fold_live_reads, at=minute + 600 * SECOND)
    answers = at_once([fold, partial(summarise_reads, at=minute + DAY), fold, fold])
    assert all(isinstance(answer, int) for answer in answers)
    summary = ReadSummary.objects.get()
    assert totals(purchase) == before == {"rows": summary.row_count, "bytes": summary.byte_count}
    assert summary.read_count == Read.objects.filter(summary=summary).count() == Read.objects.count()
    for read in Read.objects.all():
        proof = proof_of(read)
        assert proof is not None
        assert proof.root == bytes(summary.root)
