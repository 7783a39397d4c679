"""What the log costs a buyer: purchases with their ledger record against the same purchases without."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from unittest.mock import patch
from uuid import uuid4

from django.db import connection

from bench.rows import Comparison, Row, compare
from ledger.models import Entry, OutboxRow
from ledger.services import sequence_batch
from marketplace.accounts.models import User
from marketplace.listings.models import Listing, Plan
from marketplace.purchases import recording, services
from marketplace.purchases.models import Purchase
from marketplace.wallet.services import account_of, balance_micros, settle_top_up, start_top_up, unsound_accounts
from tests.builders import EURO, make_listing

PURCHASES = 80
CONNECTIONS = 8
NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
_no_record = patch.object(recording, "_submit_record", lambda *_, **__: uuid4())


def make_people() -> tuple[Listing, list[User]]:
    people = User.objects
    listing = make_listing(people.create_user("sara@example.test"), NOW)
    buyers = [people.create_user(f"ben-{number}@example.test") for number in range(CONNECTIONS)]
    for buyer in buyers:
        for _ in range(10):
            top_up = start_top_up(user=buyer, amount_micros=5_000 * EURO, at=NOW)
            settle_top_up(top_up=top_up, outcome="pay", at=NOW)
    return listing, buyers


def buy_often(listing: Listing, plan: Plan, buyer: User, count: int) -> None:
    for _ in range(count):
        services.buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=plan.price_micros, at=NOW)


def empty_outbox() -> None:
    while sequence_batch(at=NOW):
        pass


def check(listing: Listing, plan: Plan, buyer: User) -> None:
    """Both ways must do what they say before their time counts for anything."""
    before = balance_micros(account_of(buyer))
    with _no_record:
        buy_often(listing, plan, buyer, 3)
    if OutboxRow.objects.exists() or Purchase.objects.recorded().exists():
        raise AssertionError("A purchase without record left one.")
    buy_often(listing, plan, buyer, 3)
    empty_outbox()
    recorded = Entry.objects.filter(kind="purchase.recorded").count()
    paid = before - balance_micros(account_of(buyer))
    if (recorded, Purchase.objects.recorded().count(), paid) != (3, 3, 6 * plan.price_micros):
        raise AssertionError("Purchases, records and money do not agree.")
    check_books()


def check_books() -> None:
    if unsound_accounts():
        raise AssertionError("A balance differs from its postings.")


def in_parallel(listing: Listing, plan: Plan, buyers: list[User]) -> Callable[[], None]:
    """Every buyer on a connection of his own, all of one seller."""
    threads = ThreadPoolExecutor(len(buyers), initializer=connection.ensure_connection)
    everybody = threading.Barrier(len(buyers))

    def buy(buyer: User) -> None:
        everybody.wait()
        buy_often(listing, plan, buyer, PURCHASES // len(buyers))

    return lambda: list(threads.map(buy, buyers)).clear()


def row(name: str, comparison: Comparison) -> Row:
    rate, rate_without = (PURCHASES / seconds for seconds in (comparison.first_seconds, comparison.second_seconds))
    return Row(name, 1 / comparison.ratio, note=f"({rate:.0f} against {rate_without:.0f} a second)")


def run() -> list[Row]:
    listing, buyers = make_people()
    plan = listing.plans.get()
    check(listing, plan, buyers[0])

    def one() -> None:
        buy_often(listing, plan, buyers[0], PURCHASES)

    many = in_parallel(listing, plan, buyers)

    def without(act: Callable[[], None]) -> Callable[[], None]:
        def run_without() -> None:
            with _no_record:
                act()

        return run_without

    def and_sequence() -> None:
        one()
        empty_outbox()

    rows = [
        row("purchase with ledger record / without, 1 connection", compare(one, without(one), between=empty_outbox)),
        row(
            f"purchase with ledger record / without, {CONNECTIONS} connections",
            compare(many, without(many), between=empty_outbox),
        ),
        row("purchase with record and its sequencing / without", compare(and_sequence, without(one))),
    ]
    check_books()
    return rows
