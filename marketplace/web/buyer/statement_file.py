"""An account's statement as CSV (RFC 4180), which spreadsheets open without running anything in it."""

from collections.abc import Iterator
from decimal import Decimal

from ledger.entries import at_text
from marketplace.purchases.models import Purchase
from marketplace.wallet.models import Account, Posting
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.buyer.statement import line_text, purchases_of
from marketplace.web.csv_lines import as_text, csv_lines

HEAD = ("at", "kind", "what", "reference", "amount", "balance_after", "currency")
_AT_ONCE = 1_000


def statement_rows(account: Account) -> Iterator[str]:
    """Oldest first."""
    return csv_lines(HEAD, _portions(account))


def _portions(account: Account) -> Iterator[list[list[str]]]:
    balance, last, end = 0, 0, _newest(account)
    while found := _portion(account, last, end):
        lines = []
        for posting, purchase in found:
            balance += posting.amount_micros
            lines.append(_cells(posting, purchase, account, balance))
        last = found[-1][0].pk
        yield lines


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


def decimal_text(micros: int) -> str:
    """All six decimals; a plain number, which no spreadsheet takes for a formula."""
    return f"{Decimal(micros) / MICROS_PER_UNIT:.6f}"
