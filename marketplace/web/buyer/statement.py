"""The wallet's lines in words, newest first."""

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
    purchases = _purchases(shown, user)
    lines = [_line(posting, purchases.get(posting.transfer.reference), user) for posting in shown]
    return Statement(lines, shown[-1].transfer.public_id if len(found) > PAGE_SIZE else None)


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _purchases(postings: list[Posting], user: User) -> dict[UUID | None, Purchase]:
    transfers = [posting.transfer for posting in postings if posting.transfer.kind == Transfer.Kind.PURCHASE]
    wanted = [transfer.reference for transfer in transfers if transfer.reference is not None]
    return {
        purchase.public_id: purchase
        for purchase in Purchase.objects.filter(public_id__in=wanted).select_related("listing")
    }


def _line(posting: Posting, purchase: Purchase | None, user: User) -> dict[str, Any]:
    text, address = posting.transfer.get_kind_display(), ""
    if purchase is not None and purchase.buyer_id == user.pk and posting.amount_micros < 0:
        text, address = f"Bought: {purchase.listing.title}", reverse("purchase_page", args=[purchase.public_id])
    elif purchase is not None:
        text, address = f"Sold: {purchase.listing.title}", reverse("sales")
    return {
        "at": posting.transfer.at,
        "text": text,
        "address": address,
        "amount_micros": posting.amount_micros,
        "balance_micros": posting.balance_after_micros,
    }
