"""COPY in pieces and the opening of a transaction, by libpq's own calls: what goes wrong leaves a usable connection."""

import psycopg
import pytest
from django.db import connection, transaction

from ledger import wire
from ledger.wire import begin_with, copy_while_making
from tests.database_owner import owner_rights

pytestmark = pytest.mark.django_db(transaction=True)

COPY = "COPY copied (number) FROM STDIN"


@pytest.fixture(autouse=True)
def table():
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute("CREATE TABLE copied (number int CHECK (number < 100)); GRANT ALL ON copied TO PUBLIC")
    yield
    with owner_rights(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE copied")


def raw():
    connection.ensure_connection()
    return connection.connection


def numbers():
    with connection.cursor() as cursor:
        cursor.execute("SELECT number FROM copied ORDER BY number")
        return [row[0] for row in cursor.fetchall()]


def copy(pieces):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        copy_while_making(raw(), COPY, pieces)


def test_stores_every_piece_in_the_order_given():
    copy([b"1\n2\n", b"3\n", b"4\n5\n"])
    assert numbers() == [1, 2, 3, 4, 5]


def test_stores_nothing_of_no_piece():
    copy([])
    assert numbers() == []


def test_stores_a_piece_that_is_larger_than_every_buffer():
    copy([b"7\n" * 500_000, b"8\n"])
    assert len(numbers()) == 500_001


def test_makes_the_next_piece_before_it_hears_of_the_last():
    heard = []

    def pieces():
        yield b"100\n"
        heard.append("asked for one more")
        yield b"1\n"

    with pytest.raises(psycopg.errors.CheckViolation):
        copy(pieces())
    assert heard == ["asked for one more"]
    assert numbers() == []


@pytest.mark.parametrize("good", [0, 1, 3])
def test_what_fails_in_the_making_stores_nothing_and_the_connection_goes_on(good):
    def pieces():
        yield from [b"1\n"] * good
        raise ValueError("unreadable")

    with pytest.raises(ValueError, match="unreadable"):
        copy(pieces())
    assert numbers() == []


@pytest.mark.parametrize("calls", range(1, 7))
def test_an_interruption_anywhere_stores_nothing_and_the_connection_goes_on(monkeypatch, calls):
    real, left = wire._flush, [calls]

    def interrupted(link):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        real(link)

    monkeypatch.setattr(wire, "_flush", interrupted)
    with pytest.raises(KeyboardInterrupt):
        copy([b"1\n", b"2\n", b"3\n"])
    assert numbers() == []


def test_a_statement_that_cannot_begin_is_refused_and_the_connection_goes_on():
    with pytest.raises(psycopg.errors.UndefinedTable), transaction.atomic():
        copy_while_making(raw(), "COPY nowhere FROM STDIN", [b"1\n"])
    assert numbers() == []


def test_a_cut_connection_is_an_error():
    with pytest.raises(psycopg.OperationalError), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            own = cursor.fetchone()[0]

        def pieces():
            yield b"1\n"
            with psycopg.connect(raw().info.dsn, autocommit=True) as other:
                other.execute("SET ROLE NONE")
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [own])
            yield b"2\n"

        copy_while_making(raw(), COPY, pieces())
    connection.close()
    assert numbers() == []


def test_opens_a_transaction_and_gives_the_rows():
    with transaction.atomic():
        found = begin_with(raw(), "SELECT 1::int8, NULL, 'word'", "SELECT true")
        copy_while_making(raw(), COPY, [b"1\n"])
        transaction.set_rollback(True)
    assert found == [[(1).to_bytes(8), None, b"word"], [b"\x01"]]
    assert numbers() == []


def test_opens_no_second_transaction():
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO copied VALUES (1)")
        assert begin_with(raw(), "SELECT count(*) FROM copied") == [[(1).to_bytes(8)]]
        transaction.set_rollback(True)
    assert numbers() == []


def test_a_refused_opening_is_an_error_and_the_connection_goes_on():
    with pytest.raises(psycopg.errors.UndefinedTable), transaction.atomic():
        begin_with(raw(), "SELECT 1", "SELECT * FROM nowhere", "SELECT 2")
    assert numbers() == []
