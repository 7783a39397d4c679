"""What the live stream asks of the database: who may come in, what is new, who may stay, and what each piece counts.

Called from the threads of the process that holds the streams; each function is done with its connection when it ends.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from marketplace.access.errors import AccessError
from marketplace.access.services import Grant, authorise_all, authorise_token_id
from marketplace.addresses import client_address
from marketplace.delivery.doors import grant_of
from marketplace.delivery.errors import DeliveryError, NameUnknown
from marketplace.delivery.live_links import LINK_PARAMETER, read_live_link
from marketplace.delivery.live_positions import Position, read_position
from marketplace.delivery.live_rows import Step, View, check_position, newest_position, next_step
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


def open_stream(request: HttpRequest, purchase_id: UUID) -> tuple[Grant, Position]:
    """Return what the request's token opens and from where on it is sent.

    Raises: AccessError, DeliveryError. A token of another purchase learns nothing of this one.
    """
    at = timezone.now()
    grant = _asked_grant(request, purchase_id, at)
    if grant.purchase.public_id != purchase_id:
        raise NameUnknown
    text = request.headers.get("Last-Event-ID") or request.GET.get("last_event_id", "")
    if text:
        position = read_position(text)
        check_position(position, at)
    else:
        position = newest_position(grant.consent, at)
    return begin_delivery(grant=grant, at=at), position


def _asked_grant(request: HttpRequest, purchase_id: UUID, at: datetime) -> Grant:
    signature = request.GET.get(LINK_PARAMETER, "")
    if "Authorization" in request.headers or not signature:
        return grant_of(request, at)
    token_id = read_live_link(signature, purchase_id=purchase_id)
    return authorise_token_id(token_id, at, client_address(request))


def follow(listing_pk: int, wanted: Mapping[Position, set[View]]) -> tuple[list[int], dict[Position, Step]]:
    """Return the listing's devices, and for each place that a reader is at what follows on it."""
    at = timezone.now()
    listing = Listing.objects.select_related("consent").get(pk=listing_pk)
    members = list(listing.consent.consent_devices.select_related("device", "consent").order_by("position"))
    steps = {}
    if listing.is_held(at):
        steps = {place: next_step(listing.consent, members, place, views, at) for place, views in wanted.items()}
    return [member.device_id for member in members], steps


def ask_again(token_ids: Sequence[UUID]) -> dict[UUID, Grant | AccessError]:
    at = timezone.now()
    answers: dict[UUID, Grant | AccessError] = {}
    for start in range(0, len(token_ids), TOKENS_AT_ONCE):
        answers.update(authorise_all(token_ids[start : start + TOKENS_AT_ONCE], at))
    return answers


def count_pieces(pieces: Sequence[tuple[Grant, int, int]]) -> list[AccessError | DeliveryError | None]:
    return count_reads(reads=pieces, door=Read.Door.LIVE, at=timezone.now())
