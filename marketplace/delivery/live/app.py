"""The live stream's own ASGI application: GET /live/<purchase>/readings, and /live/health. Nothing else is here."""

import asyncio
import io
import logging
import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID

import orjson
import redis.asyncio
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.http import HttpResponse
from django.utils import timezone
from redis.exceptions import RedisError

from devices.announcing import CHANNEL
from marketplace.access.errors import AccessError
from marketplace.delivery.doors.entrance import refusal, refuse
from marketplace.delivery.errors import DeliveryError
from marketplace.delivery.live import events
from marketplace.delivery.live.door import Opening, open_stream
from marketplace.delivery.live.rows import columns_of
from marketplace.delivery.live.streams import HEARTBEAT_SECONDS, LAST_WORD_SECONDS, TICK_SECONDS, Reader, Streams

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_PATH = re.compile(r"/live/([0-9a-f-]{36})/readings")
_HEALTHY_SECONDS = 10.0


class LiveApp:
    def __init__(self) -> None:
        self.streams = Streams()
        self.listening: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.live(receive, send)
        elif scope["type"] == "http":
            await self.answer(scope, receive, send)

    async def live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.streams.begin()
                self.listening = asyncio.create_task(listen(self.streams))
                await send({"type": "lifespan.startup.complete"})
            else:
                self.streams.end()
                if self.listening:
                    self.listening.cancel()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _PATH.fullmatch(scope["path"])
        # The request itself is not kept: of a thousand readers that would be the most.
        response, opening = await self.respond_to(ASGIRequest(dict(scope), io.BytesIO()), path[1] if path else "")
        if opening is None:
            await respond(response, send)
            return
        await self.stream(opening, header_lines(response), receive, send)

    async def respond_to(self, request: ASGIRequest, purchase_id: str) -> tuple[HttpResponse, Opening | None]:
        try:
            request.get_host()
            asked = UUID(purchase_id) if purchase_id else None
        except (DisallowedHost, ValueError):
            return refusal(400, "MALFORMED_REQUEST", "This request is not understood."), None
        if request.path == "/live/health":
            return self.health(), None
        if asked is None:
            return refusal(404, "RESOURCE_DOES_NOT_EXIST", "There is no such address."), None
        if request.method != "GET":
            response = refusal(405, "METHOD_NOT_ALLOWED", "Use GET here.")
            response["Allow"] = "GET"
            return response, None
        response, opening = await self.open(request, asked)
        return shared_with_site(request, response), opening

    async def open(self, request: ASGIRequest, purchase_id: UUID) -> tuple[HttpResponse, Opening | None]:
        try:
            opening = await self.streams.ask(partial(open_stream, request, purchase_id))
            self.streams.check_room(opening.grant.token.public_id)
        except (AccessError, DeliveryError) as error:
            return refuse(error, request.path), None
        except DatabaseError:
            return refusal(503, "TEMPORARILY_UNAVAILABLE", "Try again in a moment."), None
        response = HttpResponse(content_type="text/event-stream; charset=utf-8")
        response["Cache-Control"] = "no-store, no-transform"
        response["X-Accel-Buffering"] = "no"
        return response, opening

    def health(self) -> HttpResponse:
        is_well = monotonic() - self.streams.asked_at < _HEALTHY_SECONDS
        return HttpResponse(b"ok\n" if is_well else b"not asking\n", status=200 if is_well else 503)

    async def stream(self, opening: Opening, headers: Headers, receive: Receive, send: Send) -> None:
        reader = Reader(opening)
        reader.task = asyncio.current_task()
        purchase_id = opening.grant.purchase.public_id
        source = f"{settings.PUBLIC_URL}/live/{purchase_id}/readings"
        del opening
        watching = asyncio.create_task(watch(reader, receive))
        self.streams.add(reader)
        logger.info("live.opened", extra={"purchase_id": purchase_id})
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await self.send_all(reader, source, send)
        except (DatabaseError, TimeoutError):
            # Nothing more can be said; the reader comes back to where he was.
            reader.leave()
        except asyncio.CancelledError:
            if reader.refusal is None and not reader.is_gone:
                raise
        finally:
            watching.cancel()
            self.streams.remove(reader)
            code = reader.refusal.code if reader.refusal else "closed"
            logger.info("live.ended", extra={"purchase_id": purchase_id, "code": code})

    async def send_all(self, reader: Reader, source: str, send: Send) -> None:
        """Send what comes, until the reader leaves or may not stay."""
        sent = reader.position.text()
        reader.delivery.note(sent, 0, monotonic())
        columns = columns_of(reader.grant)
        at = timezone.now()
        await say(reader, send, events.opened(source=source, position=sent, columns=columns, at=at))
        name = orjson.dumps(source)
        while not reader.is_gone and (reader.queue or reader.refusal is None):
            if reader.queue:
                piece, is_counted = reader.queue.popleft()
                if not is_counted and await self.streams.count([(reader, piece)]) == [False]:
                    continue
                sent = piece.place
                await say(reader, send, b"".join((piece.before, name, piece.after)))
                continue
            if monotonic() - reader.heard_at >= HEARTBEAT_SECONDS:
                sent = reader.position.text()
                reader.delivery.note(sent, 0, monotonic())
                await say(reader, send, events.heartbeat(sent))
            reader.changed.clear()
            await reader.changed.wait()
        if reader.refusal is not None:
            last = events.ended(
                source=source,
                position=sent,
                code=reader.refusal.code,
                sentence=str(reader.refusal),
                at=timezone.now(),
            )
            await asyncio.wait_for(say(reader, send, last), LAST_WORD_SECONDS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def say(reader: Reader, send: Send, event: bytes) -> None:
    reader.heard_at = reader.busy_since = monotonic()
    await send({"type": "http.response.body", "body": event, "more_body": True})
    reader.busy_since = None


async def watch(reader: Reader, receive: Receive) -> None:
    """Notice that the reader has gone, also while nothing is sent."""
    while (await receive())["type"] != "http.disconnect":
        pass
    reader.leave()
    if reader.task is not None and reader.busy_since is not None:
        reader.task.cancel()


async def listen(streams: Streams) -> None:
    """Wake the feeds when batches come. Without Redis they ask by themselves each second."""
    while True:
        try:
            async with redis.asyncio.Redis.from_url(settings.CACHE_URL) as client, client.pubsub() as channel:
                await channel.subscribe(CHANNEL)
                streams.wake_all()
                async for message in channel.listen():
                    if message["type"] == "message":
                        streams.wake(int(message["data"]))
        except (RedisError, OSError) as error:
            logger.warning("live.hears_nothing", extra={"reason": type(error).__name__})
            await asyncio.sleep(TICK_SECONDS)


def shared_with_site(request: ASGIRequest, response: HttpResponse) -> HttpResponse:
    """Let the site's own pages read the answer where the stream has another port than they."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Vary"] = "Origin"
    if request.headers.get("Origin") == settings.PUBLIC_URL:
        response["Access-Control-Allow-Origin"] = settings.PUBLIC_URL
    return response


async def respond(response: HttpResponse, send: Send) -> None:
    await send({"type": "http.response.start", "status": response.status_code, "headers": header_lines(response)})
    await send({"type": "http.response.body", "body": response.content, "more_body": False})


def header_lines(response: HttpResponse) -> Headers:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.items()]
