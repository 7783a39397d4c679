"""The lines of a person's account in words, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.urls import reverse

from marketplace.accounts.models import User
from marketplace.purchases.models import Purchase
from marketplace.wallet.models import Account, Posting, Transfer

PAGE_SIZE = 25


@dataclass(frozen=True)
class Statement:
    lines: list[dict[str, Any]]
    next_before: UUID | None


def statement_page(account: Account, user: User, before: str) -> Statement:
    """before: the transfer of the last line of the page before."""
    postings = Posting.objects.statement(account)
    last = Posting.objects.filter(account=account, transfer__public_id=before).first() if _is_uuid(before) else None
    # The running balance sums upwards from the first line, so leaving out newer lines does not change it.
    found = list(postings.filter(pk__lt=last.pk)[: PAGE_SIZE + 1] if last else postings[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    purchases = purchases_of(shown)
    lines = [_line(posting, purchases.get(posting.transfer.reference), account, user) for posting in shown]
    return Statement(lines, shown[-1].transfer.public_id if len(found) > PAGE_SIZE else None)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def purchases_of(postings: list[Posting]) -> dict[UUID | None, Purchase]:
    """What the lines are about. References to anything else find nothing."""
    wanted = [posting.transfer.reference for posting in postings if posting.transfer.reference is not None]
    return {
        purchase.public_id: purchase
        for purchase in Purchase.objects.filter(public_id__in=wanted).select_related("listing")
    }


def _line(posting: Posting, purchase: Purchase | None, account: Account, user: User) -> dict[str, Any]:
    is_buyer = purchase is not None and purchase.buyer_id == user.pk
    address = ""
    if purchase is not None:
        address = reverse("purchase_page", args=[purchase.public_id]) if is_buyer else reverse("sales")
    return {
        "at": posting.transfer.at,
        "text": line_text(posting, purchase, account),
        "address": address,
        "amount_micros": posting.amount_micros,
        "balance_micros": posting.balance_after_micros,
    }


def line_text(posting: Posting, purchase: Purchase | None, account: Account) -> str:
    """What a line is, and of which listing."""
    kind = posting.transfer.kind
    word = _WORDS.get((account.kind, kind, posting.amount_micros > 0)) or Transfer.Kind(kind).label
    return f"{word}: {purchase.listing.title}" if purchase is not None else word


# By the account's kind, the transfer's, and whether the money came in; the transfer's own name says it all elsewhere.
_WORDS = {
    ("wallet", "purchase", False): "Bought",
    # Sales of before there was an escrow.
    ("wallet", "purchase", True): "Sold",
    ("wallet", "to_wallet", True): "Moved from your earnings",
    ("payable", "to_wallet", False): "Moved to your wallet",
    ("escrow", "purchase", True): "Sold",
    ("escrow", "refund", False): "Refunded to the buyer",
}
