"""The nightly look at the books finds nothing where all is right, and names what is wrong."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import Client
from django.urls import reverse

from marketplace.celery import app
from marketplace.purchases.books import CHECKS, check_books, find_differences
from marketplace.purchases.models import BooksCheck
from marketplace.purchases.services import release_earnings, start_clock, withdraw_consent_with_refunds
from marketplace.purchases.tasks import check_books_task
from marketplace.wallet.services import account_of, move_earnings
from tests.builders import EURO
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def trade(buy, listing, free_listing, rich_ben, sara, now):
    """A bit of everything: earned, on hold, refunded, free, moved to the wallet."""
    buy(listing=free_listing)
    start_clock(purchase=buy(kind="period"), at=now)
    buy()
    release_earnings(at=now + 3 * DAY)
    withdraw_consent_with_refunds(consent=listing.consent, at=now + 10 * DAY)
    move_earnings(user=sara, amount_micros=EURO, idempotency_key=uuid4(), at=now)


def test_right_books_differ_in_nothing(trade, buy, now):
    assert find_differences() == []
    check = check_books(at=now)
    assert (check.finding_count, check.findings, check.transfer_count) == (0, [], 8)


@pytest.mark.parametrize(
    ("damage", "titles"),
    [
        (
            "UPDATE wallet_account SET rolled_micros = rolled_micros + 1 WHERE kind = 'payable'",
            ["Each kept balance is the sum of its postings"],
        ),
        (
            "UPDATE wallet_posting SET amount_micros = amount_micros + 1 WHERE amount_micros = 12000000",
            [
                "The postings of each transfer sum to zero in one currency",
                "All postings of a currency sum to zero",
                "Each kept balance is the sum of its postings",
            ],
        ),
        (
            "UPDATE purchases_purchase SET price_micros = price_micros + 1 WHERE price_micros = 12000000",
            [
                "What each buyer paid is the price of the purchase",
                "What is on hold is what purchases hold: price less released less refunded",
            ],
        ),
        (
            "UPDATE purchases_purchase SET refunded_micros = refunded_micros - 1 WHERE refunded_micros = 8000000",
            [
                "What is on hold is what purchases hold: price less released less refunded",
                "What was refunded is what its refunds moved",
            ],
        ),
        (
            "UPDATE purchases_refund SET amount_micros = amount_micros - 1 WHERE amount_micros = 8000000",
            ["What was refunded is what its refunds moved"],
        ),
        (
            "UPDATE wallet_topup SET amount_micros = amount_micros + 1",
            ["Each paid top-up brought its amount"],
        ),
        (
            """
            UPDATE purchases_purchase SET transfer_id = NULL, price_micros = 0, fee_micros = 0, seller_micros = 0,
                released_micros = 0, released_seller_micros = 0, released_fee_micros = 0, refunded_micros = 0
            WHERE price_micros = 12000000
            """,
            ["Each payment for a purchase has its purchase", "What was refunded is what its refunds moved"],
        ),
    ],
)
def test_a_micro_that_is_wrong_anywhere_is_named(trade, now, damage, titles):
    with owner_rights(), connection.cursor() as cursor:
        connection.check_constraints()
        for table in ("wallet_posting", "purchases_refund"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(damage)
        assert cursor.rowcount == 1
    check = check_books(at=now)
    assert [finding["title"] for finding in check.findings] == titles
    assert all(finding["rows"] for finding in check.findings)
    assert set(titles) <= {look.title for look in CHECKS}


@pytest.fixture
def staff(mallory) -> Client:
    mallory.is_staff = mallory.is_superuser = True
    mallory.save()
    client = Client()
    client.force_login(mallory)
    return client


def test_staff_see_that_the_books_are_right(trade, staff, now):
    check = check_books(at=now)
    assert "The books are right: 8 transfers" in staff.get(reverse("admin:index")).text
    page = staff.get(reverse("admin:purchases_bookscheck_change", args=[check.pk])).text
    assert "Nothing: every check held." in page


def test_staff_see_what_differs(trade, staff, sara, now):
    account = account_of(sara, "payable")
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute("UPDATE wallet_account SET rolled_micros = rolled_micros + 7 WHERE id = %s", [account.pk])
    check = check_books(at=now)
    assert "The books are not right" in staff.get(reverse("admin:index")).text
    page = staff.get(reverse("admin:purchases_bookscheck_change", args=[check.pk])).text
    for words in ("Each kept balance is the sum of its postings", str(account.public_id), "Should be, micros"):
        assert words in page


def test_nobody_else_sees_it(trade, now, client, sara):
    check_books(at=now)
    client.force_login(sara)
    assert client.get(reverse("admin:purchases_bookscheck_changelist")).status_code in {302, 403}


def test_the_task_runs_each_night():
    scheduled = django_settings.CELERY_BEAT_SCHEDULE["purchases-books"]["task"]
    app.loader.import_default_modules()
    assert scheduled in app.tasks
    assert check_books_task() == 0
    assert BooksCheck.objects.count() == 1
