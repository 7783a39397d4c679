"""An account's statement as CSV (RFC 4180), which spreadsheets open without running anything in it."""

import csv
from collections.abc import Iterator
from decimal import Decimal

from django.db import connection

from ledger.entries import at_text
from marketplace.accounts.models import User
from marketplace.purchases.models import Purchase
from marketplace.wallet.models import Account, Posting
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.buyer.statement import line_text, purchases_of

HEAD = ("at", "kind", "what", "reference", "amount", "balance_after", "currency")
_AT_ONCE = 1_000
# A cell that begins so is run as a formula by spreadsheets; an apostrophe makes it text again.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class _Line:
    """A file of one line, for the csv module."""

    text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)


def statement_rows(account: Account, user: User) -> Iterator[str]:
    """Oldest first, a portion at a time. Between portions no connection is held, however slowly they are fetched."""
    line = _Line()
    writer = csv.writer(line)
    writer.writerow(HEAD)
    # The mark tells spreadsheets that it is UTF-8.
    yield "\ufeff" + line.text
    balance, last, end = 0, 0, _newest(account)
    while found := _portion(account, last, end):
        text = []
        for posting, purchase in found:
            balance += posting.amount_micros
            writer.writerow(_cells(posting, purchase, account, balance))
            text.append(line.text)
        last = found[-1][0].pk
        _let_go()
        yield "".join(text)


def _newest(account: Account) -> int:
    newest = Posting.objects.filter(account=account).order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def _portion(account: Account, after: int, end: int) -> list[tuple[Posting, Purchase | None]]:
    rows = Posting.objects.filter(account=account, pk__gt=after, pk__lte=end).select_related("transfer").order_by("pk")
    postings = list(rows[:_AT_ONCE])
    purchases = purchases_of(postings)
    return [(posting, purchases.get(posting.transfer.reference)) for posting in postings]


def _cells(posting: Posting, purchase: Purchase | None, account: Account, balance: int) -> list[str]:
    transfer = posting.transfer
    words = as_text(line_text(posting, purchase, account))
    reference = str(transfer.reference or "")
    amounts = [decimal_text(posting.amount_micros), decimal_text(balance)]
    return [at_text(transfer.at), transfer.kind, words, reference, *amounts, account.currency]


def as_text(words: str) -> str:
    return f"'{words}" if words.startswith(_FORMULA_STARTS) else words


def decimal_text(micros: int) -> str:
    """All six decimals; a plain number, which no spreadsheet takes for a formula."""
    return f"{Decimal(micros) / MICROS_PER_UNIT:.6f}"


def _let_go() -> None:
    if not connection.in_atomic_block:
        connection.close()
