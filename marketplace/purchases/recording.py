"""Write one charge of a plan: its row, its money and its record in the log, in the caller's transaction."""

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.conf import settings

from ledger.services import commit_subjects, submit_entry
from marketplace.accounts.models import User
from marketplace.listings.models import Listing, Plan
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import notify
from marketplace.purchases import entries
from marketplace.purchases.models import Purchase, PurchaseChange
from marketplace.purchases.pricing import Quote, quote
from marketplace.purchases.reserving import refuse_what_is_used
from marketplace.purchases.settling import first_release_at
from marketplace.purchases.taxing import tax_of_buyer
from marketplace.purchases.windows import Window
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import accounts_of, post_transfer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Charge:
    """What is charged to whom. continues: the first purchase of the series that this one renews or bills."""

    listing: Listing
    plan: Plan
    buyer: User
    price_micros: int
    window: Window
    kind: Transfer.Kind = Transfer.Kind.PURCHASE
    continues: Purchase | None = None
    row_count: int = 0


def record_charge(charge: Charge, *, at: datetime, idempotency_key: UUID | None = None) -> Purchase:
    """Call with the listing's terms shared. Raises: wallet.errors.InsufficientFunds."""
    if charge.price_micros and charge.kind != Transfer.Kind.USAGE:
        refuse_what_is_used(charge.buyer, charge.price_micros)
    public_id = uuid4()
    tax = tax_of_buyer(charge.buyer, at)
    price = quote(charge.price_micros, settings.MARKET_FEE_BASIS_POINTS, tax.basis_points)
    entry_id = _submit_record(public_id, charge, price, at)
    purchase = Purchase.objects.create(
        public_id=public_id,
        listing=charge.listing,
        plan=charge.plan,
        buyer=charge.buyer,
        price_micros=price.total_micros,
        fee_micros=price.fee_micros,
        seller_micros=price.seller_micros,
        tax_micros=price.tax_micros,
        tax_basis_points=tax.basis_points,
        tax_treatment=tax.treatment,
        tax_country=tax.country,
        currency=charge.plan.currency,
        purchased_at=at,
        window_from=charge.window.starts_at,
        window_until=charge.window.ends_at,
        access_until=charge.window.access_until,
        transfer=_pay(public_id, charge, at) if price.total_micros else None,
        entry_id=entry_id,
        idempotency_key=idempotency_key,
        release_due_at=first_release_at(charge.plan, at) if price.total_micros else None,
        continues=charge.continues,
        row_count=charge.row_count,
        is_renewing=charge.plan.is_renewing and charge.continues is None,
        is_trial=charge.plan.kind == Plan.Kind.TRIAL,
        # A renewal counts from its own start, and what a bill is for was delivered.
        clock_started_at=charge.window.starts_at if charge.continues else None,
    )
    _tell_seller(purchase, at)
    logger.info("purchase.made", extra={"purchase_id": str(public_id), "entry_id": str(entry_id)})
    return purchase


def _tell_seller(purchase: Purchase, at: datetime) -> None:
    facts: dict[str, str | int] = {
        "purchase": str(purchase.public_id),
        "listing": str(purchase.listing.public_id),
        "title": purchase.listing.title,
        "price_micros": purchase.price_micros,
        "currency": purchase.currency,
        "sold_as": _sold_as(purchase),
    }
    notify(user=purchase.listing.seller, kind=NoticeKind.SALE, facts=facts, at=at, reference=purchase.public_id)


def _sold_as(purchase: Purchase) -> str:
    """bill and renewal go on with an earlier purchase; of metered and trial nothing is paid at the start."""
    kind = purchase.plan.kind
    if purchase.continues_id is not None:
        return "bill" if kind == Plan.Kind.METERED else "renewal"
    if kind in {Plan.Kind.METERED, Plan.Kind.TRIAL}:
        return str(kind)
    return "paid" if purchase.price_micros else "free"


def tell_payment_failure(purchase: Purchase, at: datetime) -> None:
    """Say that the wallet did not hold what goes on with this purchase."""
    facts = {"purchase": str(purchase.public_id), "title": purchase.listing.title, "reason": "insufficient_funds"}
    notify(user=purchase.buyer, kind=NoticeKind.PAYMENT_FAILURE, facts=facts, at=at, reference=purchase.public_id)


def record_change(purchase: Purchase, kind: PurchaseChange.Kind, *, at: datetime, **values: object) -> PurchaseChange:
    """Note what became of a locked purchase, and say it to the log. values: fields of PurchaseChange."""
    change = PurchaseChange(public_id=uuid4(), purchase=purchase, kind=kind, at=at, **values)
    handles = commit_subjects(kind="person", subject_ids=[purchase.buyer.public_id])
    change.entry_id = submit_entry(
        kind="purchase.changed",
        body=entries.purchase_changed(
            purchase=purchase.public_id,
            buyer=handles[purchase.buyer.public_id],
            change=kind,
            cap_micros=change.cap_micros,
            window_until=change.window_until,
        ),
        key=change.public_id,
        at=at,
        refs=[str(purchase.public_id), str(purchase.listing.public_id)],
    )
    change.save()
    logger.info("purchase.changed", extra={"purchase_id": str(purchase.public_id), "change": str(kind)})
    return change


def _submit_record(public_id: UUID, charge: Charge, price: Quote, at: datetime) -> UUID:
    listing, buyer, window = charge.listing, charge.buyer, charge.window
    handles = commit_subjects(kind="person", subject_ids=[buyer.public_id, listing.seller.public_id])
    body = entries.purchase_recorded(
        purchase=public_id,
        listing=listing.public_id,
        consent=listing.consent.public_id,
        plan=charge.plan.public_id,
        plan_kind=charge.plan.kind,
        buyer=handles[buyer.public_id],
        seller=handles[listing.seller.public_id],
        price=price,
        currency=charge.plan.currency,
        window_from=window.starts_at,
        window_until=window.ends_at,
        access_until=window.access_until,
        continues=charge.continues.public_id if charge.continues else None,
        row_count=charge.row_count,
    )
    refs = [str(public_id), str(listing.public_id), str(listing.consent.public_id)]
    if charge.continues:
        refs.append(str(charge.continues.public_id))
    return submit_entry(kind="purchase.recorded", body=body, key=public_id, at=at, refs=refs)


def _pay(public_id: UUID, charge: Charge, at: datetime) -> Transfer:
    """The whole price waits in the seller's escrow: see purchases/settling.py for the ways out of it."""
    wallet, escrow = accounts_of(
        owned=[(charge.buyer, Account.Kind.WALLET), (charge.listing.seller, Account.Kind.ESCROW)]
    )
    return post_transfer(
        idempotency_key=public_id,
        kind=charge.kind,
        postings=[(wallet, -charge.price_micros), (escrow, charge.price_micros)],
        reference=public_id,
        at=at,
    )
