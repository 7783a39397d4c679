"""The ways out of a seller's escrow: what is earned is released, what is not may go back to the buyer.

Lock purchases in the order of their keys, after the standing of their consents; move the money of all with one call.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4, uuid5

from django.conf import settings
from django.db import connection, transaction

from ledger.services import EntryDraft, commit_subjects, submit_entries
from marketplace.accounts.models import User
from marketplace.listings.models import Plan
from marketplace.purchases import entries
from marketplace.purchases.escrow import Step, Term, close, release, unused_micros
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.pricing import Quote
from marketplace.purchases.windows import latest_clock
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import TransferDraft, accounts_of, post_transfers

logger = logging.getLogger(__name__)

RELEASED_EVERY = timedelta(days=1)
MOST_AT_ONCE = 500

_NOTE_STEPS = """
    UPDATE purchases_purchase AS p SET
        released_micros = p.released_micros + step.seller + step.fee + step.tax + step.rounding,
        released_seller_micros = p.released_seller_micros + step.seller,
        released_fee_micros = p.released_fee_micros + step.fee,
        released_tax_micros = p.released_tax_micros + step.tax,
        refunded_micros = p.refunded_micros + step.refund,
        release_due_at = step.due_at
    FROM unnest(
        %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[]
    ) AS step (id, seller, fee, tax, rounding, refund, due_at)
    WHERE p.id = step.id
"""


@dataclass(frozen=True)
class Settlement:
    """A step of one locked purchase. due_at: when to look again; None when all is settled."""

    purchase: Purchase
    step: Step
    due_at: datetime | None = None


def refund_window() -> timedelta:
    return timedelta(days=settings.REFUND_WINDOW_DAYS)


def first_release_at(plan: Plan, at: datetime) -> datetime:
    """When what was just sold is looked at for the first time."""
    if plan.kind == Plan.Kind.METERED:
        return at
    return at + (RELEASED_EVERY if plan.kind == Plan.Kind.PERIOD else refund_window())


def paid_term(purchase: Purchase) -> Term:
    """The time that the price pays for: a period, counted from its clock's start or, before that, from the latest one.

    For the history it is the moment when it can't be returned any more; what is billed by use is earned already.
    """
    if purchase.plan.kind == Plan.Kind.METERED:
        return Term(purchase.purchased_at, purchase.purchased_at)
    if purchase.plan.kind != Plan.Kind.PERIOD:
        earned_at = purchase.purchased_at + refund_window()
        return Term(earned_at, earned_at)
    if purchase.clock_started_at is not None:
        return Term(purchase.clock_started_at, purchase.window_until)
    starts_at = latest_clock(purchase.plan, purchase.listing.consent, purchase.purchased_at)
    return Term(starts_at, purchase.plan.readings_until(starts_at))


def refund_on_withdrawal(purchase: Purchase, at: datetime) -> int:
    """A period: the seconds that are left. The history: all of it where nothing was delivered yet, else nothing."""
    if purchase.plan.kind == Plan.Kind.PERIOD:
        return unused_micros(purchase.price_micros, paid_term(purchase), at)
    if purchase.plan.kind == Plan.Kind.METERED:
        return 0
    return purchase.price_micros if purchase.clock_started_at is None else 0


def release_earnings(*, at: datetime, most: int = MOST_AT_ONCE) -> int:
    """Release what was earned until now of every purchase whose time it is. Returns how many purchases it looked at."""
    count = 0
    while found := _release_some(at, most):
        count += found
    return count


@transaction.atomic
def _release_some(at: datetime, most: int) -> int:
    rows = Purchase.objects.select_related("plan", "listing__seller", "listing__consent")
    due = rows.filter(release_due_at__lte=at, disputed_at=None)
    locked = list(due.select_for_update(of=("self",), no_key=True, skip_locked=True).order_by("pk")[:most])
    # What a consent's end cuts off that was brought forward goes back; nothing else does here.
    settle([release_step(purchase, at) for purchase in locked], reason=Refund.Reason.CONSENT_NARROWED, at=at)
    return len(locked)


def release_step(purchase: Purchase, at: datetime) -> Settlement:
    """What is earned until now of a locked purchase, and all the rest once its term is over."""
    term = paid_term(purchase)
    if purchase.held_micros == 0:
        return Settlement(purchase, closing_step(purchase))
    cut_at = consent_cut(purchase, term)
    if cut_at is not None and at >= cut_at:
        return Settlement(purchase, closing_step(purchase, unused_micros(purchase.price_micros, term, cut_at)))
    if at >= term.ends_at:
        return Settlement(purchase, closing_step(purchase))
    ends_at = cut_at or term.ends_at
    returnable_until = purchase.purchased_at + refund_window()
    if purchase.clock_started_at is None and at < returnable_until:
        # Nobody has loaded anything yet, so all of it may still go back.
        return Settlement(purchase, Step(), min(returnable_until, ends_at))
    earned = purchase.price_micros - unused_micros(purchase.price_micros, term, at)
    due_at = min(max(at + RELEASED_EVERY, term.starts_at), ends_at)
    return Settlement(purchase, release(whole_of(purchase), purchase.released_micros, earned), due_at)


def consent_cut(purchase: Purchase, term: Term) -> datetime | None:
    """When the consent ends inside a paid period, which happens only when its owner brought the end forward."""
    ends_at = purchase.listing.consent.valid_until
    return ends_at if purchase.plan.kind == Plan.Kind.PERIOD and ends_at < term.ends_at else None


def closing_step(purchase: Purchase, refund_micros: int = 0) -> Step:
    """Settle a locked purchase for good: so much back to the buyer, all the rest out of the escrow."""
    return close(whole_of(purchase), purchase.released_micros, purchase.refunded_micros, refund_micros)


def whole_of(purchase: Purchase) -> Quote:
    """How the price was split when it was agreed."""
    fee, seller, tax = purchase.fee_micros, purchase.seller_micros, purchase.tax_micros
    return Quote(purchase.price_micros, fee, seller, purchase.price_micros - fee - seller - tax, tax)


def settle(settlements: Sequence[Settlement], *, reason: Refund.Reason | None, at: datetime) -> list[Refund]:
    """Move the money of all these steps in one call, note it on the locked purchases, and record each refund."""
    if not settlements:
        return []
    refunds = {one.purchase.pk: uuid4() for one in settlements if one.step.refund_micros}
    moved = _move(settlements, refunds, at)
    _note(settlements)
    if not refunds or reason is None:
        return []
    refunded = [one for one in settlements if one.purchase.pk in refunds]
    recorded = _record(refunded, refunds, reason, at)
    made = Refund.objects.bulk_create(
        Refund(
            public_id=refunds[one.purchase.pk],
            purchase=one.purchase,
            amount_micros=one.step.refund_micros,
            reason=reason,
            at=at,
            transfer=moved[refunds[one.purchase.pk]],
            entry_id=entry_id,
        )
        for one, entry_id in zip(refunded, recorded, strict=True)
    )
    logger.info("purchases.refunded", extra={"count": len(made), "reason": str(reason)})
    return made


def _move(settlements: Sequence[Settlement], refunds: dict[int, UUID], at: datetime) -> dict[UUID, Transfer]:
    """Return the transfers by their keys."""
    accounts = _accounts(settlements, refunds)
    drafts: list[TransferDraft] = []
    for one in settlements:
        purchase, step, seller = one.purchase, one.step, one.purchase.listing.seller_id
        escrow = accounts[Account.Kind.ESCROW, seller]
        if step.refund_micros:
            wallet = accounts[Account.Kind.WALLET, purchase.buyer_id]
            lines = [(escrow, -step.refund_micros), (wallet, step.refund_micros)]
            key = refunds[purchase.pk]
            drafts.append(TransferDraft(key, Transfer.Kind.REFUND, lines, purchase.public_id, at))
        if step.released_micros:
            lines = [(escrow, -step.released_micros), *_shares(accounts, seller, step)]
            key = uuid5(purchase.public_id, f"release after {purchase.released_micros}")
            drafts.append(TransferDraft(key, Transfer.Kind.RELEASE, lines, purchase.public_id, at))
    return {transfer.idempotency_key: transfer for transfer in post_transfers(drafts)} if drafts else {}


def _shares(accounts: dict[tuple[str, int | None], Account], seller: int, step: Step) -> list[tuple[Account, int]]:
    shares = [
        (accounts[Account.Kind.PAYABLE, seller], step.seller_micros),
        (accounts[Account.Kind.MARKET_FEE, None], step.fee_micros),
        (accounts[Account.Kind.TAX, None], step.tax_micros),
        (accounts[Account.Kind.ROUNDING, None], step.rounding_micros),
    ]
    return [(account, micros) for account, micros in shares if micros]


def _accounts(settlements: Sequence[Settlement], refunds: dict[int, UUID]) -> dict[tuple[str, int | None], Account]:
    """Every account that the steps need, by kind and owner."""
    owned: dict[tuple[str, int], User] = {}
    for one in settlements:
        seller = one.purchase.listing.seller
        owned[Account.Kind.ESCROW, seller.pk] = owned[Account.Kind.PAYABLE, seller.pk] = seller
        if one.purchase.pk in refunds:
            owned[Account.Kind.WALLET, one.purchase.buyer_id] = one.purchase.buyer
    found = accounts_of(
        owned=[(person, kind) for (kind, _), person in owned.items()],
        kinds=[Account.Kind.MARKET_FEE, Account.Kind.TAX, Account.Kind.ROUNDING],
    )
    return {(account.kind, account.owner_id): account for account in found}


def _note(settlements: Sequence[Settlement]) -> None:
    steps = [one.step for one in settlements]
    with connection.cursor() as cursor:
        cursor.execute(
            _NOTE_STEPS,
            [
                [one.purchase.pk for one in settlements],
                [step.seller_micros for step in steps],
                [step.fee_micros for step in steps],
                [step.tax_micros for step in steps],
                [step.rounding_micros for step in steps],
                [step.refund_micros for step in steps],
                [one.due_at for one in settlements],
            ],
        )


def _record(
    refunded: Sequence[Settlement], refunds: dict[int, UUID], reason: Refund.Reason, at: datetime
) -> list[UUID]:
    """One entry a refund, so that each buyer has a receipt that names nobody else."""
    people = {one.purchase.buyer.public_id for one in refunded}
    people |= {one.purchase.listing.seller.public_id for one in refunded}
    handles = commit_subjects(kind="person", subject_ids=people)
    return submit_entries(
        [
            EntryDraft(
                kind="refund.made",
                key=refunds[one.purchase.pk],
                refs=(str(one.purchase.public_id), str(one.purchase.listing.public_id)),
                body=entries.refund_made(
                    refund=refunds[one.purchase.pk],
                    purchase=one.purchase.public_id,
                    buyer=handles[one.purchase.buyer.public_id],
                    seller=handles[one.purchase.listing.seller.public_id],
                    amount_micros=one.step.refund_micros,
                    price_micros=one.purchase.price_micros,
                    currency=one.purchase.currency,
                    reason=reason,
                ),
            )
            for one in refunded
        ],
        at=at,
    )
