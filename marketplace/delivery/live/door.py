"""What the live stream asks of the database: who may come in, what is new, who may stay, and what each piece counts.

Called from the threads of the process that holds the streams; each function is done with its connection when it ends.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from marketplace.access.errors import AccessError
from marketplace.access.services import Grant, authorise_all, authorise_token_id, inspect_token, token_hash
from marketplace.addresses import client_address
from marketplace.delivery.doors.entrance import grant_of, token_of
from marketplace.delivery.errors import DeliveryError, NameUnknown
from marketplace.delivery.live.links import LINK_PARAMETER, read_live_link
from marketplace.delivery.live.positions import Position, read_position
from marketplace.delivery.live.rows import Step, View, check_position, newest_position, next_step
from marketplace.delivery.models import Read
from marketplace.delivery.services import begin_delivery, count_reads
from marketplace.listings.models import Listing

TOKENS_AT_ONCE = 500
Answer = TypeVar("Answer")


def with_connection(ask: Callable[[], Answer]) -> Answer:
    """Give the connection back to the pool: what waits between two questions may wait for long."""
    try:
        return ask()
    finally:
        connection.close()


@dataclass(frozen=True)
class Opening:
    """What a reader may read, and from where on. text: his token, where it is one that can't be asked with others."""

    grant: Grant
    position: Position
    text: str = field(default="", repr=False)


def open_stream(request: HttpRequest, purchase_id: UUID) -> Opening:
    """Return what the request's token opens and from where on it is sent.

    Raises: AccessError, DeliveryError. A token of another purchase learns nothing of this one.
    """
    at = timezone.now()
    grant, text = _asked_grant(request, purchase_id, at)
    if grant.purchase.public_id != purchase_id:
        raise NameUnknown
    place = request.headers.get("Last-Event-ID") or request.GET.get("last_event_id", "")
    if place:
        position = read_position(place)
        check_position(position, at)
    else:
        position = newest_position(grant.consent, at)
    return Opening(begin_delivery(grant=grant, at=at), position, text)


def _asked_grant(request: HttpRequest, purchase_id: UUID, at: datetime) -> tuple[Grant, str]:
    signature = request.GET.get(LINK_PARAMETER, "")
    if "Authorization" in request.headers or not signature:
        grant, text = grant_of(request, at), token_of(request)
        is_plain = bytes(grant.token.token_hash) == token_hash(text)
        return grant, "" if is_plain else text
    token_id = read_live_link(signature, purchase_id=purchase_id)
    return authorise_token_id(token_id, at, client_address(request)), ""


def follow(listing_pk: int, wanted: Mapping[Position, set[View]]) -> tuple[list[int], dict[Position, Step]]:
    """Return the listing's devices, and for each place that a reader is at what follows on it."""
    at = timezone.now()
    listing = Listing.objects.select_related("consent").get(pk=listing_pk)
    members = list(listing.consent.consent_devices.select_related("device", "consent").order_by("position"))
    steps = {}
    if listing.is_held(at):
        steps = {place: next_step(listing.consent, members, place, views, at) for place, views in wanted.items()}
    return [member.device_id for member in members], steps


def ask_again(token_ids: Sequence[UUID], texts: Sequence[str]) -> dict[UUID | str, Grant | AccessError]:
    """Return what each token opens now, or why nothing. texts: short-lived and passed-on ones, asked one by one."""
    at = timezone.now()
    spans = (token_ids[start : start + TOKENS_AT_ONCE] for start in range(0, len(token_ids), TOKENS_AT_ONCE))
    answers: dict[UUID | str, Grant | AccessError] = {
        token_id: answer for span in spans for token_id, answer in authorise_all(span, at).items()
    }
    for text in texts:
        try:
            answers[text] = inspect_token(token=text, at=at)
        except AccessError as error:
            answers[text] = error
    return answers


def count_pieces(pieces: Sequence[tuple[Grant, int, int]]) -> list[AccessError | DeliveryError | None]:
    return count_reads(reads=pieces, door=Read.Door.LIVE, at=timezone.now())
