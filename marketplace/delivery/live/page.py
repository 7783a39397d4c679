"""What a buyer's page needs of the live stream: its address, a link for the browser, and the newest rows."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import polars
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from marketplace.access.models import AccessToken
from marketplace.access.services import authorise_token_id
from marketplace.delivery.doors.entrance import door, refusal
from marketplace.delivery.live.links import LINK_PARAMETER, sign_live_link
from marketplace.delivery.live.rows import columns_of
from marketplace.delivery.models import Read
from marketplace.delivery.services import begin_delivery, count_read, current_version, files_for
from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.tables.projection import TIME
from marketplace.purchases.models import Purchase


@dataclass(frozen=True)
class NewestRows:
    """Newest first. columns: their names, time and device before the fields."""

    columns: list[str]
    rows: list[dict[str, Any]]


def stream_address(purchase_id: UUID) -> str:
    return f"{settings.LIVE_URL}/live/{purchase_id}/readings"


def linked_address(token: AccessToken) -> str:
    """The stream's address with a link for a browser, good for a minute. Whoever has it reads with the token."""
    purchase_id = token.purchase.public_id
    link = sign_live_link(token_id=token.public_id, purchase_id=purchase_id)
    return f"{stream_address(purchase_id)}?{LINK_PARAMETER}={link}"


def working_token(purchase: Purchase, at: datetime) -> AccessToken | None:
    """The buyer's newest token that works, one that is not narrowed if there is any."""
    own = purchase.tokens.select_related("purchase").exclude(kind=AccessToken.Kind.DELEGATED)
    usable = [token for token in own if token.is_usable(at)]
    return next(iter(sorted(usable, key=lambda token: token.is_narrowed)), None)


def newest_rows(*, token: AccessToken, limit: int, at: datetime, address: str) -> NewestRows:
    """Return the newest rows that a token opens, and count them as read. Raises: AccessError, DeliveryError."""
    grant = begin_delivery(grant=authorise_token_id(token.public_id, at, address), at=at)
    columns = columns_of(grant)
    files = files_for(grant, version=current_version(grant.listing))
    rows = polars.DataFrame()
    for file in sorted(files, key=lambda one: one.last_at or at, reverse=True):
        found = read_rows(file.path, columns)
        rows = polars.concat([found.tail(limit - rows.height), rows]) if rows.height else found.tail(limit)
        if rows.height >= limit:
            break
    if rows.height:
        size = int(rows.estimated_size())
        count_read(grant=grant, door=Read.Door.LIVE, row_count=rows.height, byte_count=size, at=at)
    return NewestRows(columns, rows.sort(TIME, descending=True).to_dicts() if rows.height else [])


@door("GET")
def stream_elsewhere(request: HttpRequest, purchase_id: UUID) -> HttpResponse:
    """This server holds no streams: say where they are. Behind a proxy that passes /live/ nobody gets here."""
    if settings.LIVE_URL == settings.PUBLIC_URL:
        return refusal(503, "TEMPORARILY_UNAVAILABLE", "Live streams are not set up here: /live/ leads to the pages.")
    address = stream_address(purchase_id)
    response = refusal(307, "LIVE_STREAM_ELSEWHERE", f"The live stream is at {address}")
    query = request.META.get("QUERY_STRING", "")
    response["Location"] = f"{address}?{query}" if query else address
    return response
