"""When the database is away for a moment, readers come back to where they were instead of missing a piece."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
from django.db import DatabaseError

from devices.horizons import Horizon
from marketplace.access.services import Grant
from marketplace.delivery.live import streams as live_streams
from marketplace.delivery.live.door import Opening
from marketplace.delivery.live.positions import Position
from marketplace.delivery.live.rows import Piece, Step, view_of
from marketplace.delivery.live.streams import Feed, Reader, Streams

PLACE, NEXT = Position(Horizon(5), None), Position(Horizon(6), None)


def run_apart(work: Coroutine[Any, Any, None]) -> None:
    """Runs it in a thread of its own: a browser's loop from another test may be running in this one."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def make_reader() -> Reader:
    facts = SimpleNamespace(
        fields=("a",),
        window_from=None,
        window_until=None,
        token=SimpleNamespace(public_id=uuid4()),
        listing=SimpleNamespace(pk=1),
    )
    return Reader(Opening(cast(Grant, facts), PLACE))


async def go_on(reader: Reader, monkeypatch: pytest.MonkeyPatch, count: Any) -> None:
    streams = Streams()
    feed = Feed(1, streams)
    feed.readers.add(reader)
    step = Step(NEXT, True, {view_of(reader.grant): Piece(b"", b"", 1, 1, NEXT.text())})
    monkeypatch.setattr(live_streams, "follow", lambda *_: ([], {PLACE: step}))
    monkeypatch.setattr(live_streams, "with_connection", lambda ask: ask())
    monkeypatch.setattr(live_streams, "count_pieces", count)
    streams._spawn(streams._count())
    try:
        await feed.go_on()
    finally:
        streams.end()
        streams.threads.shutdown()


def test_a_piece_that_is_counted_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        reader = make_reader()
        await go_on(reader, monkeypatch, lambda reads: [None] * len(reads))
        assert [(piece.place, is_counted) for piece, is_counted in reader.queue] == [(NEXT.text(), True)]
        assert (reader.position, reader.is_gone) == (NEXT, False)

    run_apart(run())


def test_a_reader_whose_piece_could_not_be_counted_is_sent_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(reads: Any) -> Any:
        raise DatabaseError

    async def run() -> None:
        reader = make_reader()
        with pytest.raises(DatabaseError):
            await go_on(reader, monkeypatch, fail)
        assert (reader.is_gone, list(reader.queue)) == (True, [])

    run_apart(run())


def test_a_reader_of_a_feed_that_broke_leaves_his_room_to_others() -> None:
    async def run() -> None:
        streams, reader = Streams(), make_reader()
        streams.reader_counts[reader.grant.token.public_id] = 1
        try:
            streams.remove(reader)
        finally:
            streams.threads.shutdown()
        assert (reader.is_gone, dict(streams.reader_counts)) == (True, {})

    run_apart(run())
