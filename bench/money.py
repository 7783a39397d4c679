"""Money: a busy seller against many, the service against bare psycopg and plain ORM, sets against single calls, and a
withdrawal that gives a thousand buyers their money back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import cycle, islice
from uuid import uuid4

import psycopg
from django.db import connection

from bench.money_parts import plain
from bench.money_parts.market import EURO, NOW, fill, make_accounts, make_people
from bench.rows import Comparison, Row, compare
from ledger.services import sequence_batch
from marketplace.access.errors import ConsentWithdrawn
from marketplace.access.services import authorise, issue_token
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.services import buy_listing, start_clock, withdraw_consent_with_refunds
from marketplace.wallet import services
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import TransferDraft, post_transfer, post_transfers, unsound_accounts
from tests.builders import make_listing

CLIENTS = 32
SELLERS = 1_000
SALES = 1_600
SET = 1_000
SET_CLIENTS = 8
LIVE_PURCHASES = 1_000
PRICE = EURO // 100

Pay = Callable[[int, int], None]


class Crowd:
    """Clients that each hold a connection, and start together."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.threads = ThreadPoolExecutor(count, initializer=connection.ensure_connection)
        self.everybody = threading.Barrier(count)

    def run(self, act: Callable[[int], None]) -> None:
        """act: what one client does, by its number."""

        def begin(number: int) -> None:
            self.everybody.wait()
            act(number)

        list(self.threads.map(begin, range(self.count)))


def rate_note(comparison: Comparison, count: int, unit: str = "a second") -> str:
    one, other = (count / seconds for seconds in (comparison.first_seconds, comparison.second_seconds))
    return f"({one:.0f} against {other:.0f} {unit})"


def sales_of(crowd: Crowd, pay: Pay, seller_count: int) -> Callable[[], None]:
    """Every client pays from a wallet of its own: all to one seller, or each time to the next of many."""
    each = SALES // crowd.count

    def act(number: int) -> None:
        for sale in range(each):
            pay(number, (number * each + sale) % seller_count)

    return lambda: crowd.run(act)


def service_pay(wallets: Sequence[Account], escrows: Sequence[Account]) -> Pay:
    def pay(buyer: int, seller: int) -> None:
        post_transfer(
            idempotency_key=uuid4(),
            kind=Transfer.Kind.PURCHASE,
            postings=[(wallets[buyer], -PRICE), (escrows[seller], PRICE)],
            reference=uuid4(),
            at=NOW,
        )

    return pay


def bare_pay(wallets: Sequence[Account], escrows: Sequence[Account]) -> Pay:
    """The same function of the database, with nothing of ours or Django's before it."""
    local = threading.local()
    address = connection.get_connection_params()
    sql = services._POST

    def pay(buyer: int, seller: int) -> None:
        if not hasattr(local, "connection"):
            wanted = {name: address[name] for name in ("dbname", "user", "host", "port", "password") if name in address}
            local.connection = psycopg.connect(**wanted, autocommit=True)
        ids, amounts = [wallets[buyer].pk, escrows[seller].pk], [-PRICE, PRICE]
        cursor = local.connection.execute(sql, [[uuid4()], ["purchase"], [uuid4()], [NOW], [1, 1], ids, amounts])
        cursor.fetchall()

    return pay


def plain_pay(buyers: Sequence[plain.PlainAccount], sellers: Sequence[plain.PlainAccount]) -> Pay:
    def pay(buyer: int, seller: int) -> None:
        plain.pay(buyers[buyer].pk, sellers[seller].pk, PRICE, uuid4(), NOW)

    return pay


def selling() -> Iterator[Row]:
    crowd = Crowd(CLIENTS)
    wallets = make_accounts(make_people("ben", CLIENTS), "wallet")
    escrows = make_accounts(make_people("sara", SELLERS), "escrow")
    fill(wallets, 5_000)
    plain.make_tables()
    rich = plain.PlainAccount.objects.bulk_create(plain.PlainAccount(balance_micros=10**12) for _ in wallets)
    poor = plain.PlainAccount.objects.bulk_create(plain.PlainAccount(balance_micros=0) for _ in escrows)
    pay = service_pay(wallets, escrows)
    spread = sales_of(crowd, pay, SELLERS)
    ways = {
        "one": sales_of(crowd, pay, 1),
        "bare": sales_of(crowd, bare_pay(wallets, escrows), SELLERS),
        "plain": sales_of(crowd, plain_pay(rich, poor), SELLERS),
    }
    check_ways(spread, *ways.values())

    def row(name: str, way: Callable[[], None], goal: float, *, rounds: int) -> Row:
        comparison = compare(way, spread, rounds=rounds, between=roll_up)
        return Row(name, comparison.ratio, goal, rate_note(comparison, SALES))

    busy = compare(spread, ways["one"], rounds=7, between=roll_up)
    name = f"sales to one seller / spread over {SELLERS}, {CLIENTS} clients"
    yield Row(name, busy.ratio, 0.85, rate_note(busy, SALES, "a second, spread first"))
    yield row("sales spread: service / bare psycopg", ways["bare"], 0.5, rounds=7)
    yield row("sales spread: service / plain ORM", ways["plain"], 4, rounds=5)


def check_ways(*ways: Callable[[], None]) -> None:
    """Each way moves what it says before its time counts for anything."""
    for way in ways:
        before = Transfer.objects.count() + plain.PlainTransfer.objects.count()
        way()
        if Transfer.objects.count() + plain.PlainTransfer.objects.count() != before + SALES // CLIENTS * CLIENTS:
            raise AssertionError("A way of paying made other transfers than it should.")
    check_books()


def roll_up() -> None:
    services.roll_up_balances()


def check_books() -> None:
    if unsound_accounts():
        raise AssertionError("A balance differs from its postings.")


def posting_sets() -> Iterator[Row]:
    crowd = Crowd(SET_CLIENTS)
    wallets = make_accounts(make_people("buyer", SET_CLIENTS), "wallet")
    escrows = make_accounts(make_people("seller", SET), "escrow")
    fill(wallets, 5_000)

    def drafts() -> list[TransferDraft]:
        pairs = zip(islice(cycle(wallets), SET), escrows, strict=True)
        return [
            TransferDraft(uuid4(), "purchase", [(wallet, -PRICE), (escrow, PRICE)], uuid4(), NOW)
            for wallet, escrow in pairs
        ]

    pay = service_pay(wallets, escrows)

    def one_by_one(number: int) -> None:
        for sale in range(number, SET, SET_CLIENTS):
            pay(number, sale)

    comparison = compare(lambda: crowd.run(one_by_one), lambda: post_transfers(drafts()).clear(), between=roll_up)
    check_books()
    name = f"{SET:,} transfers: one statement / one call each by {SET_CLIENTS} clients"
    yield Row(name, comparison.ratio, 4, rate_note(comparison, SET, "a second, one by one first"))


def withdrawing() -> Iterator[Row]:
    """A consent with a thousand live purchases, three times."""
    seconds = sorted(withdraw_once(f"round-{number}") for number in range(3))
    name = f"withdrawal with {LIVE_PURCHASES:,} live purchases, 2 s / its time"
    yield Row(name, 2 / seconds[1], 1, f"({', '.join(f'{one:.2f}' for one in seconds)} s)")


def withdraw_once(name: str) -> float:
    [seller], buyers = make_people(f"{name}-seller", 1), make_people(name, LIVE_PURCHASES)
    fill(make_accounts(buyers, "wallet"), 20)
    listing = make_listing(seller, NOW, plans=[PlanTerms("period", 12 * EURO, 30 * 86_400)], title=name)
    plan = listing.plans.get()
    for buyer in buyers:
        bought = buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=plan.price_micros, at=NOW)
        start_clock(purchase=bought, at=NOW)
    while sequence_batch(at=NOW):
        pass
    purchase = Purchase.objects.filter(listing=listing).first()
    assert purchase is not None
    token = issue_token(purchase=purchase, at=NOW)[1]
    at = NOW + timedelta(days=10)
    started = time.perf_counter()
    withdraw_consent_with_refunds(consent=listing.consent, at=at)
    taken = time.perf_counter() - started
    check_withdrawal(listing, token)
    return taken


def check_withdrawal(listing: Listing, token: str) -> None:
    refunds = Refund.objects.filter(purchase__listing=listing)
    if set(refunds.values_list("amount_micros", flat=True)) != {8 * EURO} or refunds.count() != LIVE_PURCHASES:
        raise AssertionError("Not every buyer got the unused two thirds back.")
    try:
        authorise(token=token, at=NOW + timedelta(days=10))
    except ConsentWithdrawn:
        check_books()
    else:
        raise AssertionError("A reader was let in after the withdrawal.")


def run() -> Iterator[Row]:
    # Each client keeps its connection.
    connection.pool.resize(1, CLIENTS + SET_CLIENTS + 4)  # type: ignore[attr-defined]  # django-stubs do not know it yet
    yield from withdrawing()
    yield from posting_sets()
    yield from selling()
