"""What is a seller's now, what is on hold until when, and what was paid out."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from marketplace.accounts.models import User
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import paid_term
from marketplace.wallet.models import Account
from marketplace.wallet.services import account_of, balance_micros, paid_out_micros
from marketplace.web.buyer.statement import statement_page
from marketplace.web.formats import cents_text, money_text
from marketplace.web.paging import Page, page_by_time
from marketplace.web.wording import plan_name

ROWS_A_PAGE = 25


@dataclass(frozen=True)
class HeldRow:
    """is_gradual: earned second by second until then, not at once."""

    purchase: Purchase
    buyer: str
    plan_name: str
    until: datetime
    is_gradual: bool


def money_facts(user: User, *, mark: str, before: str) -> dict[str, Any]:
    """mark: where the page of what is on hold starts; before: where the one of the statement does."""
    payable, escrow = account_of(user, Account.Kind.PAYABLE), account_of(user, Account.Kind.ESCROW)
    yours = balance_micros(payable)
    held = held_page(user, mark)
    return {
        "account": payable,
        "yours_micros": yours,
        "yours_text": cents_text(yours, settings.MARKET_CURRENCY),
        "held_text": cents_text(balance_micros(escrow), settings.MARKET_CURRENCY),
        "paid_out_text": money_text(paid_out_micros(user), settings.MARKET_CURRENCY),
        "held": [held_row(purchase) for purchase in held.rows],
        "next_mark": held.next_mark,
        "statement": statement_page(payable, user, before),
    }


def held_page(user: User, mark: str) -> Page[Purchase]:
    held = Purchase.objects.of_seller(user).holding().select_related("buyer", "listing", "plan")
    return page_by_time(held, column="purchased_at", mark=mark, size=ROWS_A_PAGE)


def held_row(purchase: Purchase) -> HeldRow:
    term = paid_term(purchase)
    return HeldRow(
        purchase, purchase.buyer.pseudonym, plan_name(purchase.plan), term.ends_at, term.starts_at < term.ends_at
    )
