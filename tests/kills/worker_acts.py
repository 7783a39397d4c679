"""What the worker does by itself, each with what must be true before and after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from django.test import override_settings

from ledger.models import OutboxRow
from marketplace.accounts.models import User
from marketplace.delivery.promise import refund_what_never_came
from marketplace.invoices.models import Invoice
from marketplace.invoices.services import issue_due
from marketplace.listings.entries import PlanTerms
from marketplace.notices.dispatching import dispatch_notices
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import Notice
from marketplace.purchases.models import Order, Purchase, Refund
from marketplace.purchases.ordering import fill_orders
from marketplace.purchases.services import (
    bill_usage,
    buy_listing,
    count_rows,
    release_earnings,
    renew_due,
    start_clock,
    take_back_top_up,
)
from marketplace.wallet.gateway.card_refunds import send_card_refunds
from marketplace.wallet.gateway.models import CardRefund, Payout
from marketplace.wallet.gateway.payouts import fail_payout, send_payouts
from marketplace.wallet.gateway.services import request_payout
from marketplace.wallet.models import Account
from marketplace.wallet.services import account_of, balance_micros
from tests.builders import EURO, make_listing
from tests.builders_gateway import earn
from tests.builders_money import fill_wallet
from tests.builders_notices import tell
from tests.conftest import make_person
from tests.kills.web_acts import Facts, balance, make_payee, paid_at_stripe, told

DAY = timedelta(days=1)
ONCE = PlanTerms("one_off", 5 * EURO)
MONTHLY = PlanTerms("period", 10 * EURO, 30 * 86_400, is_renewing=True)
BY_USE = PlanTerms("metered", micros_per_1000_rows=EURO)


@dataclass(frozen=True)
class Chore:
    """task: what beat sends; run: the same here. prepare: something to do for it, and what is true of that.

    table: written in the transaction that is all or nothing.
    """

    task: str
    run: Callable[..., int]
    prepare: Callable[[], Callable[[], Facts]]
    done: Facts
    table: str


@dataclass
class Chores:
    now: datetime

    def all(self) -> list[Chore]:
        purchases, wallet = "marketplace.purchases.tasks", "marketplace.wallet.tasks"
        sold, notice = "insert purchases_purchase", "insert notices_notice"
        charged = {"charges": 1, "entries": 1, "told": 1}
        back = {"refunds": 1, "back": 5 * EURO, "entries": 1, "told": 1}
        promise, invoices = "marketplace.delivery.tasks", "marketplace.invoices.tasks"
        return [
            Chore(f"{purchases}.renew_due_task", renew_due, self.renewal, {**charged, "paid": 10 * EURO}, sold),
            Chore(f"{purchases}.bill_usage_task", bill_usage, self.bill, {**charged, "paid": 2 * EURO}, sold),
            Chore(
                f"{purchases}.release_earnings_task",
                release_earnings,
                self.release,
                {"released": 5 * EURO, "earned": 4_600_000},
                "update purchases_purchase",
            ),
            Chore(f"{promise}.refund_what_never_came_task", refund_what_never_came, self.refund, back, notice),
            Chore(f"{wallet}.send_payouts_task", send, self.payout, {"sent": 1}, "update wallet_payout"),
            Chore(f"{wallet}.send_payouts_task", send, self.payout_return, {"came_back": 20 * EURO, "told": 1}, notice),
            Chore(
                f"{wallet}.send_payouts_task",
                send_back,
                self.card_refund,
                {"sent": 1},
                "update wallet_cardrefund",
            ),
            Chore(
                f"{purchases}.fill_orders_task",
                fill_orders,
                self.order,
                {"bought": 1, "entries": 1, "told": 1, "left": 7 * EURO},
                sold,
            ),
            Chore(
                f"{invoices}.issue_due_task",
                issue_due,
                self.invoice,
                {"invoices": 1, "lines": 1},
                "insert invoices_invoice",
            ),
            Chore(
                "marketplace.notices.tasks.dispatch_notices_task",
                dispatch_notices,
                self.notice,
                {"dispatched": 1},
                "update notices_notice",
            ),
        ]

    def bought(self, plan: PlanTerms, at: datetime) -> Purchase:
        buyer, seller = (make_person(f"{name}-{uuid4().hex[:8]}") for name in ("buyer", "seller"))
        fill_wallet(buyer, 50, at)
        listing = make_listing(seller, at, plans=[plan])
        sold = listing.plans.get()
        return buy_listing(listing=listing, plan=sold, buyer=buyer, quoted_micros=sold.price_micros, at=at)

    def renewal(self) -> Callable[[], Facts]:
        purchase = self.bought(MONTHLY, self.now - 31 * DAY)
        start_clock(purchase=purchase, at=self.now - 31 * DAY)
        return lambda: charged_after(purchase, 40 * EURO)

    def bill(self) -> Callable[[], Facts]:
        purchase = self.bought(BY_USE, self.now - 32 * DAY)
        count_rows(purchase=purchase, row_count=2_000, at=self.now - 32 * DAY)
        return lambda: charged_after(purchase, 50 * EURO)

    def release(self) -> Callable[[], Facts]:
        purchase = self.bought(ONCE, self.now - 20 * DAY)

        def facts() -> Facts:
            purchase.refresh_from_db()
            return {"released": purchase.released_micros, "earned": payable(purchase.listing.seller)}

        return facts

    def refund(self) -> Callable[[], Facts]:
        purchase = self.bought(ONCE, self.now - 5 * DAY)

        def facts() -> Facts:
            refunds = Refund.objects.filter(purchase=purchase)
            return {
                "refunds": refunds.count(),
                "back": balance(purchase.buyer) - 45 * EURO,
                "entries": OutboxRow.objects.filter(entry_id__in=refunds.values("entry_id")).count(),
                "told": told("refund", refunds.values_list("public_id", flat=True)),
            }

        return facts

    def asked(self) -> Payout:
        seller, buyer = (make_person(f"{name}-{uuid4().hex[:8]}") for name in ("seller", "buyer"))
        earn(seller, buyer, 30, self.now - DAY)
        make_payee(seller, self.now)
        with override_settings(PAYMENT_PROVIDER="stripe"):
            return request_payout(user=seller, amount_micros=20 * EURO, idempotency_key=uuid4(), at=self.now - DAY)

    def payout(self) -> Callable[[], Facts]:
        payout = self.asked()
        return lambda: {"sent": Payout.objects.filter(pk=payout.pk, state="sent").exclude(object_id="").count()}

    def payout_return(self) -> Callable[[], Facts]:
        payout = self.asked()
        send(at=self.now)
        payout.refresh_from_db()
        fail_payout(payout, code="account_closed", at=self.now)
        return lambda: {
            "came_back": payable(payout.user) - 10 * EURO,
            "told": told("payout", [payout.public_id]),
        }

    def card_refund(self) -> Callable[[], Facts]:
        buyer = make_person(f"buyer-{uuid4().hex[:8]}")
        top_up = paid_at_stripe(buyer, self.now)
        with override_settings(PAYMENT_PROVIDER="stripe"):
            refund = take_back_top_up(top_up=top_up, amount_micros=7 * EURO, idempotency_key=uuid4(), at=self.now)
        sent = CardRefund.objects.filter(pk=refund.pk, state="sent").exclude(object_id="")
        return lambda: {"sent": sent.count()}

    def order(self) -> Callable[[], Facts]:
        """Paid for by a top-up that has come in, and not bought yet."""
        buyer, seller = (make_person(f"{name}-{uuid4().hex[:8]}") for name in ("buyer", "seller"))
        listing = make_listing(seller, self.now - DAY, plans=[ONCE])
        plan = listing.plans.get()
        top_up = paid_at_stripe(buyer, self.now)
        Order.objects.create(
            buyer=buyer, listing=listing, plan=plan, quoted_micros=plan.price_micros, top_up=top_up, ordered_at=self.now
        )
        bought = Purchase.objects.filter(order__buyer=buyer)

        def facts() -> Facts:
            return {
                "bought": bought.count(),
                "entries": OutboxRow.objects.filter(entry_id__in=bought.values("entry_id")).count(),
                "told": told("sale", bought.values_list("public_id", flat=True)),
                "left": balance(buyer) if bought.exists() else 0,
            }

        return facts

    def invoice(self) -> Callable[[], Facts]:
        purchase = self.bought(ONCE, self.now)
        invoices = Invoice.objects.filter(purchase=purchase)
        return lambda: {
            "invoices": invoices.count(),
            "lines": sum(invoice.lines.count() for invoice in invoices.all()),
        }

    def notice(self) -> Callable[[], Facts]:
        person = make_person(f"person-{uuid4().hex[:8]}")
        notice = tell(person, NoticeKind.SALE, self.now)
        return lambda: {"dispatched": Notice.objects.filter(pk=notice.pk, dispatched_at__isnull=False).count()}


def send(*, at: datetime) -> int:
    """Wallets are filled by the built-in provider; this goes to the other one."""
    with override_settings(PAYMENT_PROVIDER="stripe"):
        return send_payouts(at=at)


def send_back(*, at: datetime) -> int:
    with override_settings(PAYMENT_PROVIDER="stripe"):
        return send_card_refunds(at=at)


def charged_after(purchase: Purchase, before_micros: int) -> Facts:
    charges = Purchase.objects.filter(continues=purchase)
    return {
        "charges": charges.count(),
        "paid": before_micros - balance(purchase.buyer),
        "entries": OutboxRow.objects.filter(entry_id__in=charges.values("entry_id")).count(),
        "told": told("sale", charges.values_list("public_id", flat=True)),
    }


def payable(seller: User) -> int:
    return balance_micros(account_of(seller, Account.Kind.PAYABLE))
