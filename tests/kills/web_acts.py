"""What people and the payment provider ask the web for, each with what must be true before and after it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson
from django.contrib.auth.models import Group
from django.test import Client, override_settings
from django.urls import reverse

from ledger.models import OutboxRow
from marketplace.accounts.groups import OPERATOR
from marketplace.accounts.models import User
from marketplace.accounts.services import create_api_key
from marketplace.disputes.services import answer_dispute, open_dispute
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.notices.models import Notice
from marketplace.purchases.models import Order, Purchase, Refund
from marketplace.purchases.services import buy_listing, start_clock
from marketplace.wallet.gateway.models import CardRefund, EventOutcome, Payee, Payout, ProviderEvent
from marketplace.wallet.gateway.receiving import receive_webhook
from marketplace.wallet.gateway.signatures import sign
from marketplace.wallet.models import Account, TopUp
from marketplace.wallet.services import account_of, balance_micros
from tests.builders import EURO, make_listing
from tests.builders_gateway import earn
from tests.builders_money import fill_wallet
from tests.conftest import make_person
from tests.fake_stripe import ENDPOINT, WEBHOOK_SECRET, event_of
from tests.kills.processes import Request

PLANS = (PlanTerms("one_off", 5 * EURO), PlanTerms("period", 12 * EURO, 30 * 86_400))
DAY = timedelta(days=1)
Facts = Mapping[str, int]


@dataclass(frozen=True)
class Subject:
    """One time that something is asked for. facts: what the database says of it now."""

    request: Request
    facts: Callable[[], Facts]


@dataclass(frozen=True)
class Act:
    """prepare: a subject of its own for each killing. done: its facts once it is whole; all are 0 where it is absent.

    table: written in the transaction that is all or nothing. answers: of the first time and of a repeat.
    """

    name: str
    prepare: Callable[[], Subject]
    done: Facts
    table: str
    answers: tuple[int, int]


@dataclass
class Acts:
    """Everybody buys from somebody else: two who stand still with the same seller's escrow would wait in a row."""

    now: datetime

    def all(self) -> list[Act]:
        outbox = "insert ledger_outboxrow"
        return [
            Act("purchase", self.purchase, {"sold": 1, "paid": 5 * EURO, "entries": 1, "told": 1}, outbox, (201, 201)),
            Act(
                "withdrawal",
                self.withdrawal,
                {"withdrawn": 1, "refunds": 2, "back": 13 * EURO, "entries": 3, "told": 2, "held": -17 * EURO},
                outbox,
                (200, 200),
            ),
            Act("refund", self.refund, {"refunds": 1, "back": 5 * EURO, "entries": 1, "told": 1}, outbox, (302, 422)),
            Act(
                "decision",
                self.decision,
                {"decided": 1, "refunds": 1, "back": 2 * EURO, "entries": 2, "told": 3},
                outbox,
                (302, 422),
            ),
            Act("payout", self.payout, {"payouts": 1, "left": 20 * EURO}, "insert wallet_payout", (302, 302)),
            Act("payment", self.payment, {"outcomes": 1, "paid": 12 * EURO}, "insert wallet_eventoutcome", (200, 200)),
            Act(
                "card refund", self.card_refund, {"asked": 1, "gone": 7 * EURO}, "insert wallet_cardrefund", (302, 302)
            ),
            Act("order", self.order, {"orders": 1, "top_ups": 1}, "insert purchases_order", (302, 302)),
        ]

    def buyer(self) -> User:
        buyer = make_person(f"buyer-{uuid4().hex[:8]}")
        fill_wallet(buyer, 50, self.now - 20 * DAY)
        return buyer

    def listing(self) -> Listing:
        seller = make_person(f"seller-{uuid4().hex[:8]}")
        for kind in (Account.Kind.ESCROW, Account.Kind.PAYABLE):
            account_of(seller, kind)
        return make_listing(seller, self.now - 20 * DAY, plans=PLANS)

    def bought(self, buyer: User, kind: str, at: datetime, listing: Listing) -> Purchase:
        plan = listing.plans.get(kind=kind)
        return buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=plan.price_micros, at=at)

    def purchase(self) -> Subject:
        buyer, listing = self.buyer(), self.listing()
        plan = listing.plans.get(kind="one_off")
        asked = {
            "listing": str(listing.public_id),
            "plan": str(plan.public_id),
            "quoted_micros": str(plan.price_micros),
        }

        def facts() -> Facts:
            sold = Purchase.objects.for_buyer(buyer)
            return {
                "sold": sold.count(),
                "paid": 50 * EURO - balance(buyer),
                "entries": OutboxRow.objects.filter(entry_id__in=sold.values("entry_id")).count(),
                "told": told("sale", sold.values_list("public_id", flat=True)),
            }

        return Subject(api_request(buyer, "/api/purchases", asked, self.now), facts)

    def withdrawal(self) -> Subject:
        """Of a period of EUR 12, ten days of which are used, nearly two thirds go back, to the second."""
        buyer, listing = self.buyer(), self.listing()
        period = self.bought(buyer, "period", self.now - 10 * DAY, listing)
        start_clock(purchase=period, at=self.now - 10 * DAY)
        history = self.bought(buyer, "one_off", self.now - DAY, listing)
        consent = listing.consent
        start = balance(buyer)
        request = api_request(listing.seller, f"/api/consents/{consent.public_id}/withdrawal", None, self.now)

        def facts() -> Facts:
            consent.refresh_from_db()
            refunds = Refund.objects.filter(purchase__in=[period, history])
            found = Purchase.objects.filter(pk__in=[period.pk, history.pk])
            recorded = [consent.withdrawal_entry_id, *refunds.values_list("entry_id", flat=True)]
            return {
                "withdrawn": int(consent.withdrawn_at is not None),
                "refunds": refunds.count(),
                # A few hundredths of a cent less, for each second that the test takes.
                "back": -(-(balance(buyer) - start) // EURO) * EURO,
                "entries": OutboxRow.objects.filter(entry_id__in=[one for one in recorded if one]).count(),
                "told": told("withdrawal", [period.public_id, history.public_id]),
                "held": sum(one.held_micros for one in found) - 17 * EURO,
            }

        return Subject(request, facts)

    def refund(self) -> Subject:
        buyer = self.buyer()
        purchase = self.bought(buyer, "one_off", self.now - DAY, self.listing())
        request = page_request(buyer, reverse("purchase_refund", args=[purchase.public_id]), {})
        return Subject(request, lambda: refund_facts(purchase, "refund"))

    def decision(self) -> Subject:
        buyer = self.buyer()
        purchase = self.bought(buyer, "one_off", self.now - DAY, self.listing())
        dispute = open_dispute(purchase=purchase, reason="wrong", text="It stands still.", at=self.now - DAY)
        answer_dispute(dispute=dispute, text="It was calm.", at=self.now - DAY / 2)
        operator = make_person(f"operator-{uuid4().hex[:8]}")
        operator.is_staff = True
        operator.save()
        operator.groups.add(Group.objects.get(name=OPERATOR))
        words = {"refund": "2.00", "text": "Half of it was calm."}
        request = page_request(operator, reverse("admin:disputes_dispute_decision", args=[dispute.pk]), words)

        def facts() -> Facts:
            dispute.refresh_from_db()
            found = refund_facts(purchase, "refund")
            decided = Notice.objects.filter(reference=purchase.public_id, facts__step="decided").count()
            entry = dispute.decision_entry_id
            recorded = OutboxRow.objects.filter(entry_id=entry).count() if entry else 0
            return {
                **found,
                "decided": int(dispute.decided_at is not None),
                "entries": found["entries"] + recorded,
                "told": found["told"] + decided,
            }

        return Subject(request, facts)

    def payout(self) -> Subject:
        seller = make_person(f"seller-{uuid4().hex[:8]}")
        earn(seller, self.buyer(), 30, self.now - DAY)
        make_payee(seller, self.now)
        asked = {"amount_micros": str(20 * EURO), "idempotency_key": str(uuid4())}

        def facts() -> Facts:
            payable = balance_micros(account_of(seller, Account.Kind.PAYABLE))
            return {"payouts": Payout.objects.filter(user=seller).count(), "left": 30 * EURO - payable}

        return Subject(page_request(seller, reverse("payout_add"), asked), facts)

    def payment(self) -> Subject:
        """What Stripe says when a top-up is paid. The event is kept first, so it is never absent after an answer."""
        buyer = make_person(f"buyer-{uuid4().hex[:8]}")
        top_up, body, signature = payment_at_stripe(buyer, self.now)
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature}

        def facts() -> Facts:
            outcomes = EventOutcome.objects.filter(event__in=ProviderEvent.objects.filter(reference=top_up.public_id))
            return {"outcomes": outcomes.count(), "paid": balance(buyer)}

        return Subject(Request(ENDPOINT, body, headers), facts)

    def card_refund(self) -> Subject:
        buyer = make_person(f"buyer-{uuid4().hex[:8]}")
        top_up = paid_at_stripe(buyer, self.now)
        asked = {"amount_micros": str(7 * EURO), "idempotency_key": str(uuid4())}

        def facts() -> Facts:
            return {"asked": CardRefund.objects.filter(user=buyer).count(), "gone": 12 * EURO - balance(buyer)}

        return Subject(page_request(buyer, reverse("card_refund_add", args=[top_up.public_id]), asked), facts)

    def order(self) -> Subject:
        """What an empty wallet lacks is asked of the provider; who is killed before may ask again with the same key."""
        buyer, listing = make_person(f"buyer-{uuid4().hex[:8]}"), self.listing()
        plan = listing.plans.get(kind="one_off")
        asked = {
            "plan": str(plan.public_id),
            "quoted_micros": str(plan.price_micros),
            "idempotency_key": str(uuid4()),
        }

        def facts() -> Facts:
            orders = Order.objects.filter(buyer=buyer)
            return {"orders": orders.count(), "top_ups": TopUp.objects.filter(user=buyer).count()}

        return Subject(page_request(buyer, reverse("order_create", args=[listing.public_id]), asked), facts)


def payment_at_stripe(buyer: User, now: datetime) -> tuple[TopUp, bytes, str]:
    """A top-up of EUR 12 that waits, what Stripe says when it is paid, and the signature of that."""
    top_up = TopUp.objects.create(
        user=buyer, amount_micros=12 * EURO, currency="EUR", provider="stripe", created_at=now
    )
    about = {
        "id": f"cs_{top_up.public_id.hex}",
        "client_reference_id": str(top_up.public_id),
        "payment_status": "paid",
        "amount_total": 1200,
        "currency": "eur",
        "payment_intent": f"pi_{top_up.public_id.hex}",
    }
    body = orjson.dumps(event_of("checkout.session.completed", about, now))
    return top_up, body, sign(body, WEBHOOK_SECRET, now)


def paid_at_stripe(buyer: User, now: datetime) -> TopUp:
    top_up, body, signature = payment_at_stripe(buyer, now)
    at_stripe = {"PAYMENT_PROVIDER": "stripe", "STRIPE_SECRET_KEY": "sk_test_of_the_tests"}
    with override_settings(STRIPE_WEBHOOK_SECRETS=[WEBHOOK_SECRET], **at_stripe):
        receive_webhook(provider="stripe", body=body, signature=signature, at=now)
    top_up.refresh_from_db()
    assert top_up.state == TopUp.State.PAID
    return top_up


def balance(user: User) -> int:
    return balance_micros(account_of(user))


def told(kind: str, references: Any) -> int:
    return Notice.objects.filter(kind=kind, reference__in=list(references)).count()


def refund_facts(purchase: Purchase, kind: str) -> Facts:
    refunds = Refund.objects.filter(purchase=purchase)
    return {
        "refunds": refunds.count(),
        "back": balance(purchase.buyer) - 45 * EURO,
        "entries": OutboxRow.objects.filter(entry_id__in=refunds.values("entry_id")).count(),
        "told": told(kind, refunds.values_list("public_id", flat=True)),
    }


def make_payee(seller: User, now: datetime) -> Payee:
    return Payee.objects.create(
        user=seller, provider="stripe", account_id=f"acct_{seller.public_id.hex}", is_ready=True, created_at=now
    )


def api_request(user: User, path: str, asked: dict[str, str] | None, now: datetime) -> Request:
    _, key = create_api_key(user=user, name="Program", at=now)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
    return Request(path, json.dumps(asked).encode() if asked else b"", headers)


def page_request(user: User, path: str, fields: Mapping[str, str]) -> Request:
    """As a browser that is logged in sends a form."""
    browser = Client()
    browser.force_login(user)
    session = browser.cookies["ownstream_session"].value
    secret = "k" * 32
    body = "&".join(f"{name}={value}" for name, value in {"csrfmiddlewaretoken": secret, **fields}.items())
    headers = {
        "Cookie": f"ownstream_session={session}; csrftoken={secret}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return Request(path, body.replace(" ", "+").encode(), headers)
