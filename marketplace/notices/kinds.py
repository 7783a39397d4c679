"""What people are told about, and the facts that each kind of notice carries. Pure.

Facts are what is kept; the words are made of them when they are shown, by templates/notices/<kind>.txt.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID


class NoticeKind(StrEnum):
    SALE = "sale"
    FIRST_READ = "first_read"
    PRICE_CHANGE = "price_change"
    RENEWAL = "renewal"
    EXPIRY = "expiry"
    WITHDRAWAL = "withdrawal"
    REFUND = "refund"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    PAYMENT_FAILURE = "payment_failure"
    CONSENT_REMINDER = "consent_reminder"
    CONSENT_CHANGE = "consent_change"
    OFFER = "offer"
    HANDOVER = "handover"
    WEBHOOK_DISABLED = "webhook_disabled"


LABELS = {
    NoticeKind.SALE: "Somebody bought your data",
    NoticeKind.FIRST_READ: "A buyer reads your data for the first time",
    NoticeKind.PRICE_CHANGE: "A price changes",
    NoticeKind.RENEWAL: "A purchase renews",
    NoticeKind.EXPIRY: "Your access ends soon",
    NoticeKind.WITHDRAWAL: "An owner withdraws data that you bought",
    NoticeKind.REFUND: "Money comes back",
    NoticeKind.DISPUTE: "A dispute moves on",
    NoticeKind.PAYOUT: "Your earnings are paid out",
    NoticeKind.PAYMENT_FAILURE: "A payment fails",
    NoticeKind.CONSENT_REMINDER: "A consent of yours ends soon",
    NoticeKind.CONSENT_CHANGE: "A consent changes",
    NoticeKind.OFFER: "An owner makes you an offer",
    NoticeKind.HANDOVER: "A device changes hands",
    NoticeKind.WEBHOOK_DISABLED: "A webhook of yours is switched off",
}

# The law or the contract asks for these: what must be deleted, what access depends on, and whose a device is.
# Their mail always goes out.
ALWAYS_MAILED = frozenset({NoticeKind.WITHDRAWAL, NoticeKind.PAYMENT_FAILURE, NoticeKind.HANDOVER})

# What each kind must say, in this order; nothing more and nothing less.
FACTS_OF_KIND = {
    NoticeKind.SALE: ("purchase", "listing", "title", "price_micros", "currency", "sold_as"),
    NoticeKind.FIRST_READ: ("purchase", "title"),
    NoticeKind.PRICE_CHANGE: ("listing", "title", "plan", "old_micros", "new_micros", "currency"),
    NoticeKind.RENEWAL: ("purchase", "title", "price_micros", "currency", "until"),
    NoticeKind.EXPIRY: ("purchase", "title", "until"),
    NoticeKind.WITHDRAWAL: ("purchase", "title", "delete_by", "refund_micros", "currency"),
    # Empty purchase and title: money of the wallet that goes back to where it came from.
    NoticeKind.REFUND: ("purchase", "title", "refund_micros", "currency", "reason"),
    NoticeKind.DISPUTE: ("purchase", "title", "step"),
    NoticeKind.PAYOUT: ("payout", "amount_micros", "currency", "state"),
    # Empty purchase and title: money that should have come into the wallet.
    NoticeKind.PAYMENT_FAILURE: ("purchase", "title", "reason"),
    NoticeKind.CONSENT_REMINDER: ("consent", "until", "days"),
    NoticeKind.CONSENT_CHANGE: ("consent", "change"),
    NoticeKind.OFFER: ("listing", "title", "price_micros", "currency", "until"),
    NoticeKind.HANDOVER: ("device", "title", "step"),
    NoticeKind.WEBHOOK_DISABLED: ("endpoint", "host", "reason"),
}
MAY_BE_EMPTY = {
    (kind, fact) for kind in (NoticeKind.PAYMENT_FAILURE, NoticeKind.REFUND) for fact in ("purchase", "title")
}

_NUMBERS = {"price_micros", "old_micros", "new_micros", "refund_micros", "amount_micros", "days"}
INSTANTS = ("until", "delete_by")
MOST_TITLE_CHARACTERS = 500

Facts = Mapping[str, str | int]


def check_facts(kind: NoticeKind, facts: Facts) -> None:
    """Raise ValueError unless the facts are exactly those of the kind, each in its form."""
    wanted = FACTS_OF_KIND[kind]
    if set(facts) != set(wanted):
        raise ValueError(
            f"A notice of {kind} says {', '.join(wanted)}, and not {', '.join(sorted(facts)) or 'nothing'}."
        )
    for name in wanted:
        value = facts[name]
        if not (value == "" and (kind, name) in MAY_BE_EMPTY) and not _is_well_formed(name, value):
            raise ValueError(f"{name} of a notice of {kind} can't be {value!r}.")


def _is_well_formed(name: str, value: str | int) -> bool:
    if name in _NUMBERS:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, str) and _TEXTS.get(name, _is_title)(value)


def _is_title(value: str) -> bool:
    return 0 < len(value) <= MOST_TITLE_CHARACTERS and "\0" not in value


def _is_code(value: str) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9_]{0,39}", value) is not None


def _is_currency(value: str) -> bool:
    return re.fullmatch(r"[A-Z]{3}", value) is not None


def _is_id(value: str) -> bool:
    try:
        return str(UUID(value)) == value
    except ValueError:
        return False


def _is_instant(value: str) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


# What each name stands for: public ids; instants in ISO 8601 with their offset from UTC; codes that the templates have
# words for. Any other text is a title.
_TEXTS = {
    **dict.fromkeys(("purchase", "listing", "plan", "payout", "consent", "device", "endpoint"), _is_id),
    **dict.fromkeys(INSTANTS, _is_instant),
    **dict.fromkeys(("reason", "step", "state", "change", "sold_as"), _is_code),
    "currency": _is_currency,
}
