"""What its outbox row costs a business transaction: in a purchase, and in the shortest transaction there is."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import patch
from uuid import uuid4

from django.db import connection, transaction

from bench.ledger_parts.records import KIND, NOW, body_of, truncate
from bench.rows import Row, compare
from ledger.models import OutboxRow
from ledger.services import submit_entry
from marketplace.accounts.models import User
from marketplace.listings.models import Listing
from marketplace.purchases import recording, services
from marketplace.wallet.services import settle_top_up, start_top_up
from tests.builders import EURO, make_listing

WRITERS = (1, 4, 16)
PURCHASES = 96
SALES = 960
ROUNDS = 9
GOAL = 0.85
Act = Callable[[int], None]
without_record = patch.object(recording, "_submit_record", lambda *_, **__: uuid4())


def make_people() -> tuple[Listing, list[User]]:
    listing = make_listing(User.objects.create_user("sara@example.test"), NOW)
    buyers = [User.objects.create_user(f"ben-{number}@example.test") for number in range(max(WRITERS))]
    for buyer in buyers:
        for _ in range(10):
            settle_top_up(top_up=start_top_up(user=buyer, amount_micros=5_000 * EURO, at=NOW), outcome="pay", at=NOW)
    return listing, buyers


def sell_barely(*, is_recorded: bool) -> None:
    """One row in a table with one index: the least that a business transaction can be."""
    public_id = uuid4()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_sale (public_id, price_micros) VALUES (%s, %s)", [public_id, 15_000_000])
        if is_recorded:
            submit_entry(kind=KIND, body=body_of(public_id), key=public_id, at=NOW, refs=[str(public_id)])


class Writers:
    """Every writer on a thread and a connection of his own, as the web server has them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._threads = ThreadPoolExecutor(count)
        self._everybody = threading.Barrier(count)

    def work(self, act: Act, times: int) -> None:
        def work(writer: int) -> None:
            self._everybody.wait()
            for _ in range(times // self.count):
                act(writer)

        list(self._threads.map(work, range(self.count)))

    def go(self) -> None:
        self.work(lambda _: connection.close(), self.count)
        self._threads.shutdown()


def row(name: str, acts: tuple[Act, Act], count: int, times: int, goal: float | None) -> Row:
    """acts: with the outbox row, and without."""
    writers = Writers(count)

    def unrecorded() -> None:
        with without_record:
            writers.work(acts[1], times)

    def recorded() -> None:
        writers.work(acts[0], times)

    found = compare(recorded, unrecorded, rounds=ROUNDS, between=lambda: truncate("ledger_outboxrow"))
    writers.go()
    rates = times / found.first_seconds, times / found.second_seconds
    note = f"({rates[0]:.0f} against {rates[1]:.0f} a second)"
    return Row(f"{name} with its outbox row / without, {count} writers", 1 / found.ratio, goal, note=note)


def check(buy: Act) -> None:
    for act, expected in ((buy, 1), (lambda _: sell_barely(is_recorded=True), 1)):
        act(0)
        if OutboxRow.objects.count() != expected:
            raise AssertionError("A transaction did not leave its record.")
        truncate("ledger_outboxrow")
    with without_record:
        buy(0)
        sell_barely(is_recorded=False)
    if OutboxRow.objects.exists():
        raise AssertionError("A transaction without record left one.")


def make_purchase() -> Act:
    listing, buyers = make_people()
    plan = listing.plans.get()

    def buy(writer: int) -> None:
        price = plan.price_micros
        services.buy_listing(listing=listing, plan=plan, buyer=buyers[writer], quoted_micros=price, at=NOW)

    return buy


def make_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_sale (public_id uuid PRIMARY KEY, price_micros bigint)")


def rows() -> list[Row]:
    make_table()
    buy = make_purchase()
    truncate("ledger_outboxrow")
    check(buy)
    bare = (lambda _: sell_barely(is_recorded=True)), (lambda _: sell_barely(is_recorded=False))
    return [
        *(row("purchase", (buy, buy), count, PURCHASES, GOAL) for count in WRITERS),
        *(row("transaction of one row (hardest form)", bare, count, SALES, None) for count in WRITERS),
    ]
