"""The whole journal, one transfer after another, as it stood at one moment."""

from collections.abc import Iterator
from datetime import UTC, date, timedelta
from itertools import groupby
from operator import attrgetter

from django.db import connection, transaction
from django.db.models import Max, Min

from marketplace.wallet import beancount
from marketplace.wallet.models import Account, Posting, Transfer

_AT_ONCE = 5_000


def beancount_journal() -> Iterator[str]:
    """Yield the books in Beancount's syntax: accounts, transfers, and what each account is kept at in the end.

    Rows are streamed and none is held back for longer than its transfer. What is committed meanwhile is not in it.
    Must not run inside a transaction.
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        span = Transfer.objects.aggregate(first=Min("at"), last=Max("at"))
        first = span["first"].astimezone(UTC).date() if span["first"] else date(1970, 1, 1)
        after = span["last"].astimezone(UTC).date() + timedelta(days=1) if span["last"] else first
        currencies = Account.objects.order_by("currency").values_list("currency", flat=True).distinct()
        yield beancount.head(list(currencies), first)
        accounts = Account.objects.order_by("pk")
        for account in accounts.iterator(_AT_ONCE):
            yield beancount.opening(_name(account), account.currency, first)
        yield "\n"
        yield from _transactions()
        for account in accounts.with_balance().iterator(_AT_ONCE):
            yield beancount.balance(_name(account), account.balance_micros, account.currency, after)


def _transactions() -> Iterator[str]:
    postings = Posting.objects.select_related("transfer", "account").order_by("transfer_id", "pk").iterator(_AT_ONCE)
    for _, lines in groupby(postings, key=attrgetter("transfer_id")):
        found = list(lines)
        transfer = found[0].transfer
        yield beancount.transaction(
            public_id=transfer.public_id,
            kind=transfer.kind,
            reference=transfer.reference,
            at=transfer.at.astimezone(UTC),
            lines=[(_name(line.account), line.amount_micros, line.account.currency) for line in found],
        )


def _name(account: Account) -> str:
    return beancount.account_name(account.kind, account.public_id)
