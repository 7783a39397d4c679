"""What the sequencer says to PostgreSQL by libpq's own calls, where psycopg's cursors would cost more than the server.

COPY in pieces, of which the server stores one while the next is made: psycopg's copy() waits for the end of each COPY,
and of binary rows the server stores nothing before it has a thousand, so both would wait for each other in turn.
And the first words of a transaction, in one journey.
"""

from __future__ import annotations

import select
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult


def copy_while_making(raw: psycopg.Connection[Any], sql: str, pieces: Iterable[bytes]) -> None:
    """Run sql, a COPY ... FROM STDIN, once for each piece, in a transaction that is open.

    Raises psycopg.Error, and whatever making a piece raises; the connection can be rolled back then.
    """
    link = raw.pgconn
    is_under_way = False
    try:
        for piece in pieces:
            if is_under_way:
                _finish(link)
            _start(link, sql)
            is_under_way = True
            link.put_copy_data(piece)
            link.put_copy_end()
            _flush(link)
    except BaseException:
        _give_up(link)
        raise
    if is_under_way:
        _finish(link)


def begin_with(raw: psycopg.Connection[Any], *statements: str) -> list[list[bytes | None]]:
    """Begin a transaction and run statements that give one row each; return their columns in PostgreSQL's binary form.

    Each statement sees what was committed before it began, not before the transaction did. Raises psycopg.Error.
    """
    link = raw.pgconn
    opening = ["BEGIN"] if link.transaction_status == TransactionStatus.IDLE else []
    link.enter_pipeline_mode()
    try:
        for statement in (*opening, *statements):
            link.send_query_params(statement.encode(), None, result_format=Format.BINARY)
        link.pipeline_sync()
        _flush(link)
        results = [_only_result(link) for _ in (*opening, *statements)]
        _next_result(link)  # Of the sync.
    finally:
        link.exit_pipeline_mode()
    for result in results:
        if result.status not in {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK}:
            raise error_from_result(result)
    return [[result.get_value(0, column) for column in range(result.nfields)] for result in results[len(opening) :]]


def _only_result(link: PGconn) -> PGresult:
    (result,) = _read_to_end(link)
    return result


def _start(link: PGconn, sql: str) -> None:
    link.send_query(sql.encode())
    _flush(link)
    result = _next_result(link)
    if result is not None and result.status != ExecStatus.COPY_IN:
        raise error_from_result(result)


def _finish(link: PGconn) -> None:
    for result in _read_to_end(link):
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)


def _give_up(link: PGconn) -> None:
    """Whatever was interrupted, leave nothing half said."""
    with suppress(psycopg.Error):
        _flush(link)
        _read_to_end(link)


def _read_to_end(link: PGconn) -> list[PGresult]:
    """Read all that the server says of a statement, so that the connection can take the next one."""
    results = []
    while (result := _next_result(link)) is not None:
        results.append(result)
        if result.status == ExecStatus.COPY_IN:
            # It waits for rows, and would say so again and again.
            link.put_copy_end(b"given up")
            _flush(link)
    return results


def _next_result(link: PGconn) -> PGresult | None:
    while link.is_busy():
        _wait(link, select.POLLIN)
        link.consume_input()
    return link.get_result()


def _flush(link: PGconn) -> None:
    """Give everything to the server. It may have to say something first, or both would wait for ever."""
    while link.flush():
        if _wait(link, select.POLLIN | select.POLLOUT) & select.POLLIN:
            link.consume_input()


def _wait(link: PGconn, events: int) -> int:
    poll = select.poll()
    poll.register(link.socket, events)
    ((_, happened),) = poll.poll()
    return happened
