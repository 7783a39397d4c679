"""One line of the books in Beancount's syntax, for programs that others wrote. Pure: values in, text out.

Signs are turned round: our postings say what an account gained, Beancount's say what the market owns (plus) and what it
owes or earned (minus). A wallet is money that the market owes; the payment provider's account is what it should hold.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from marketplace.wallet.units import MICROS_PER_UNIT

_NAMES = {
    "wallet": "Liabilities:Wallet",
    "payable": "Liabilities:Payable",
    "escrow": "Liabilities:Escrow",
    "tax": "Liabilities:Tax",
    "market_fee": "Income:Fee",
    "rounding": "Income:Rounding",
    "provider": "Assets:Provider",
}
_WORD = re.compile(r"[a-z_]{1,32}")


def account_name(kind: str, public_id: UUID) -> str:
    """A part of an account's name begins with a capital letter or a digit."""
    return f"{_NAMES[kind]}:{str(public_id).upper()}"


def amount_text(micros: int) -> str:
    """The amount with its sign turned round, exact to the micro."""
    sign, size = ("-" if micros > 0 else ""), abs(micros)
    return f"{sign}{size // MICROS_PER_UNIT}.{size % MICROS_PER_UNIT:06d}"


def head(currencies: Iterable[str], opened_on: date) -> str:
    lines = ['option "title" "Books of the market"', 'option "inferred_tolerance_default" "*:0"', ""]
    lines += [f'option "operating_currency" "{currency}"' for currency in currencies]
    lines += [f"{opened_on} commodity {currency}" for currency in currencies]
    return "\n".join([*lines, "", ""])


def opening(name: str, currency: str, opened_on: date) -> str:
    return f"{opened_on} open {name} {currency}\n"


def transaction(
    *, public_id: UUID, kind: str, reference: UUID | None, at: datetime, lines: Iterable[tuple[str, int, str]]
) -> str:
    """lines: account's name, micros as we post them, currency."""
    if not _WORD.fullmatch(kind):
        raise ValueError("A kind of transfer is a word.")
    text = [f'{at.date()} * "{kind}"', f'  id: "{public_id}"', f'  at: "{at.isoformat()}"']
    text += [f'  reference: "{reference}"'] if reference else []
    text += [f"  {name}  {amount_text(micros)} {currency}" for name, micros, currency in lines]
    return "\n".join([*text, "", ""])


def balance(name: str, micros: int, currency: str, on: date) -> str:
    """What the account is kept at, to be compared with its postings without any tolerance."""
    return f"{on} balance {name} {amount_text(micros)} ~ 0 {currency}\n"
