"""The streams that one process holds: readers, the feed of each listing that has any, and what cuts them off.

One event loop writes to all readers; whatever asks the database does so in a few threads. A reader has a short queue
of pieces and a place. Whose queue is full is left out until it has room, for from his place everything can be found
again: nobody's slowness costs memory, and who stays slow is cut.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import monotonic
from typing import TypeVar
from uuid import UUID

from django.db import DatabaseError

from devices.announcing import SAID_EVERY_SECONDS
from marketplace.access.errors import AccessError
from marketplace.access.services import Grant
from marketplace.delivery.errors import DeliveryError, ReaderTooSlow, ServerFull, TooManyStreams
from marketplace.delivery.live.door import Opening, ask_again, count_pieces, follow, with_connection
from marketplace.delivery.live.positions import Position
from marketplace.delivery.live.returns import Delivery, Returns
from marketplace.delivery.live.rows import Piece, View, view_of

logger = logging.getLogger(__name__)

MOST_READERS = 5_000
MOST_OF_A_TOKEN = 20
QUEUE_PIECES = 8
# How long a reader may leave a piece unread, and how long one that is cut gets to take the last event.
SLOW_SECONDS = 10.0
LAST_WORD_SECONDS = 0.5
TICK_SECONDS = 1.0
LOOK_AGAIN_SECONDS = SAID_EVERY_SECONDS * 1.5
HEARTBEAT_SECONDS = 15.0
_THREADS = 6

Refusal = AccessError | DeliveryError
# A grant, rows and bytes.
Count = tuple[Grant, int, int]
Answer = TypeVar("Answer")


class Reader:
    """One open stream. `position` is the place after all that is in the queue.

    counted_before: rows that were counted on a connection that broke, and are sent again.
    """

    __slots__ = (
        "busy_since",
        "changed",
        "counted_before",
        "delivery",
        "grant",
        "heard_at",
        "is_gone",
        "position",
        "queue",
        "refusal",
        "task",
        "text",
    )

    def __init__(self, opening: Opening) -> None:
        self.delivery = Delivery()
        self.counted_before = 0
        self.grant = opening.grant
        self.position = opening.position
        self.text = opening.text
        self.queue: deque[tuple[Piece, bool]] = deque()
        self.changed = asyncio.Event()
        self.refusal: Refusal | None = None
        self.is_gone = False
        self.heard_at = monotonic()
        self.busy_since: float | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def asked_as(self) -> UUID | str:
        return self.text or self.grant.token.public_id

    @property
    def has_room(self) -> bool:
        return self.refusal is None and not self.is_gone and len(self.queue) < QUEUE_PIECES

    @property
    def is_idle(self) -> bool:
        """Whether a piece would be sent at once."""
        return self.has_room and not self.queue and self.busy_since is None

    def put(self, piece: Piece, *, is_counted: bool) -> None:
        self.queue.append((piece, is_counted))
        self.changed.set()

    def cut(self, refusal: Refusal) -> None:
        """Say why and end. What was counted already is sent before; nothing else is."""
        if self.refusal is None and not self.is_gone:
            self.refusal = refusal
            self.queue = deque((piece, is_counted) for piece, is_counted in self.queue if is_counted)
            self.changed.set()
            if self.busy_since is not None and self.task is not None:
                asyncio.get_running_loop().call_later(LAST_WORD_SECONDS, self.task.cancel)

    def leave(self) -> None:
        self.is_gone = True
        self.changed.set()


class Feed:
    """What is new of one listing, asked once for all its readers."""

    def __init__(self, listing_pk: int, streams: "Streams") -> None:
        self.listing_pk = listing_pk
        self.streams = streams
        self.readers: set[Reader] = set()
        self.device_ids: list[int] = []
        self.changed = asyncio.Event()

    async def run(self) -> None:
        while self.readers:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.changed.wait(), TICK_SECONDS)
            self.changed.clear()
            try:
                await self.go_on()
            except DatabaseError as error:
                logger.warning("live.feed_waits", extra={"reason": type(error).__name__})
                await asyncio.sleep(TICK_SECONDS)

    async def go_on(self) -> None:
        wanted: dict[Position, set[View]] = defaultdict(set)
        ready = [(reader, reader.position, view_of(reader.grant)) for reader in self.readers if reader.has_room]
        for _, position, view in ready:
            wanted[position].add(view)
        if not wanted:
            return
        self.device_ids, steps = await self.streams.ask(partial(follow, self.listing_pk, wanted))
        self.streams.watch(self)
        at_once: list[tuple[Reader, Piece]] = []
        for reader, position, view in ready:
            step = steps.get(position)
            if step is None:
                continue
            reader.position = step.position
            piece = step.pieces.get(view)
            if piece is not None and reader.is_idle:
                at_once.append((reader, piece))
            elif piece is not None and reader.has_room:
                reader.put(piece, is_counted=False)
        # All who wait are counted together, and each wakes up once.
        try:
            may_have = await self.streams.count(at_once)
        except DatabaseError:
            # Their places are behind pieces that they will not get: they come back to where they were.
            for reader, _ in at_once:
                reader.leave()
            raise
        for (reader, piece), is_counted in zip(at_once, may_have, strict=True):
            if is_counted:
                reader.put(piece, is_counted=True)
        if any(not step.is_whole for step in steps.values()):
            self.changed.set()


class Streams:
    """All readers of this process."""

    def __init__(self) -> None:
        self.feeds: dict[int, Feed] = {}
        self.feeds_of: dict[int, set[Feed]] = defaultdict(set)
        self.reader_counts: dict[UUID, int] = defaultdict(int)
        self.tasks: set[asyncio.Task[None]] = set()
        self.returns = Returns()
        self.uncounted: list[tuple[list[Count], asyncio.Future[list[Refusal | None]]]] = []
        self.uncounted_changed = asyncio.Event()
        self.asked_at = monotonic()
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="live")

    @property
    def readers(self) -> list[Reader]:
        return [reader for feed in self.feeds.values() for reader in feed.readers]

    def begin(self) -> None:
        for work in (self._ask_again, self._count):
            self._spawn(self._forever(work))

    def end(self) -> None:
        for reader in self.readers:
            reader.leave()
        for task in self.tasks:
            task.cancel()

    async def ask(self, question: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self.threads, with_connection, question)

    def check_room(self, token_id: UUID) -> None:
        """Raises: TooManyStreams, ServerFull."""
        if self.reader_counts[token_id] >= MOST_OF_A_TOKEN:
            raise TooManyStreams
        if sum(self.reader_counts.values()) >= MOST_READERS:
            raise ServerFull

    def add(self, reader: Reader) -> None:
        listing_pk = reader.grant.listing.pk
        reader.counted_before = self.returns.take(reader.grant.token.public_id, reader.position.text(), monotonic())
        self.reader_counts[reader.grant.token.public_id] += 1
        feed = self.feeds.get(listing_pk)
        if feed is None:
            feed = self.feeds[listing_pk] = Feed(listing_pk, self)
            feed.readers.add(reader)
            self._spawn(self._run_feed(feed))
        feed.readers.add(reader)
        feed.changed.set()

    def remove(self, reader: Reader) -> None:
        reader.is_gone = True
        feed = self.feeds.get(reader.grant.listing.pk)
        # A feed that broke is gone before its readers are.
        if feed is not None:
            feed.readers.discard(reader)
        token_id = reader.grant.token.public_id
        if reader.refusal is None:
            self.returns.keep(token_id, reader.delivery, monotonic())
        self.reader_counts[token_id] -= 1
        if not self.reader_counts[token_id]:
            del self.reader_counts[token_id]

    def watch(self, feed: Feed) -> None:
        for device_id in feed.device_ids:
            self.feeds_of[device_id].add(feed)

    def wake(self, device_id: int) -> None:
        for feed in self.feeds_of.get(device_id, ()):
            feed.changed.set()
            # What came a moment after this one was not told.
            asyncio.get_running_loop().call_later(LOOK_AGAIN_SECONDS, feed.changed.set)

    def wake_all(self) -> None:
        for feed in self.feeds.values():
            feed.changed.set()

    async def count(self, pieces: Sequence[tuple[Reader, Piece]]) -> list[bool]:
        """Count pieces before they are sent, and cut off whoever may not have his. Says for each whether it is counted.

        Raises DatabaseError when they can't be counted.
        """
        reads: list[Count] = []
        left: list[int] = []
        for reader, piece in pieces:
            uncounted = max(piece.row_count - reader.counted_before, 0)
            reader.counted_before -= piece.row_count - uncounted
            left.append(uncounted)
            if uncounted:
                reads.append((reader.grant, uncounted, piece.byte_count * uncounted // piece.row_count))
        refusals = iter(await self._ask_to_count(reads) if reads else ())
        may_have = []
        for (reader, piece), uncounted in zip(pieces, left, strict=True):
            refusal = next(refusals) if uncounted else None
            if refusal is None:
                reader.delivery.note(piece.place, uncounted, monotonic())
            else:
                reader.cut(refusal)
            may_have.append(refusal is None)
        return may_have

    async def _ask_to_count(self, reads: list[Count]) -> list[Refusal | None]:
        answer: asyncio.Future[list[Refusal | None]] = asyncio.get_running_loop().create_future()
        self.uncounted.append((reads, answer))
        self.uncounted_changed.set()
        return await answer

    async def _run_feed(self, feed: Feed) -> None:
        try:
            await feed.run()
        except Exception:
            logger.exception("live.feed_broke", extra={"listing": feed.listing_pk})
            raise
        finally:
            self.feeds.pop(feed.listing_pk, None)
            for device_id in feed.device_ids:
                self.feeds_of[device_id].discard(feed)
                if not self.feeds_of[device_id]:
                    del self.feeds_of[device_id]
            for reader in feed.readers:
                reader.leave()

    async def _count(self) -> None:
        """What came while the last ones were counted is counted together."""
        while True:
            await self.uncounted_changed.wait()
            self.uncounted_changed.clear()
            waiting, self.uncounted = self.uncounted, []
            try:
                refusals = await self.ask(partial(count_pieces, [read for reads, _ in waiting for read in reads]))
            except Exception as error:
                # Whatever it is, nobody may wait for the answer for good.
                logger.exception("live.not_counted")
                for _, answer in waiting:
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for reads, answer in waiting:
                if not answer.done():
                    answer.set_result(refusals[: len(reads)])
                refusals = refusals[len(reads) :]

    async def _ask_again(self) -> None:
        """Each second: may they all stay? No answer of before counts any longer than that."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            readers = self.readers
            texts = {one.text for one in readers if one.text}
            tokens = {one.grant.token.public_id for one in readers if not one.text}
            try:
                answers = await self.ask(partial(ask_again, list(tokens), list(texts)))
            except DatabaseError as error:
                logger.warning("live.not_asked", extra={"reason": type(error).__name__})
                for reader in readers:
                    reader.leave()
                continue
            self.asked_at = now = monotonic()
            for reader in readers:
                _judge(reader, answers[reader.asked_as], now)

    async def _forever(self, work: Callable[[], Coroutine[object, object, None]]) -> None:
        """Where nobody is asked or counted any more, nobody stays."""
        while True:
            try:
                await work()
            except Exception:
                logger.exception("live.work_broke")
                for reader in self.readers:
                    reader.leave()
                await asyncio.sleep(TICK_SECONDS)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _judge(reader: Reader, answer: Grant | AccessError, now: float) -> None:
    if isinstance(answer, AccessError):
        reader.cut(answer)
        return
    # Whatever the token opens, nobody gets more fields than he came for.
    fields = tuple(field for field in answer.fields if field in reader.grant.fields)
    reader.grant = replace(answer, fields=fields)
    if reader.busy_since is not None and now - reader.busy_since > SLOW_SECONDS:
        reader.cut(ReaderTooSlow())
    elif now - reader.heard_at >= HEARTBEAT_SECONDS:
        reader.changed.set()
