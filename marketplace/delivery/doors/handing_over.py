"""Files whose bytes nginx sends, after our checks and the counting: X-Accel-Redirect to a place that it alone reaches.

What nginx has begun we can't ask it to stop. So it gets only what can be ended: a file made for download, which
`cut_ended_downloads` empties when its consent or listing ends (the send breaks off, and nobody may have that file any
more), and parts so small that they are sent at once. While nobody watches for ends, nothing is handed over.
"""

from __future__ import annotations

import logging
import os
from datetime import datetime
from urllib.parse import quote

from django.conf import settings
from django.core.cache import cache
from django.core.files.storage import FileSystemStorage, default_storage
from django.db.models import F, Q
from django.http import HttpResponse
from redis.exceptions import RedisError

from marketplace.delivery.models import Export
from marketplace.delivery.tables.files import delete_file

logger = logging.getLogger(__name__)

# As nginx.conf has it.
LOCATION = "/handed-over/"
# A reader of 256 kB/s has them in a second.
AT_ONCE_BYTES = 256 * 1024
WATCH_EVERY_SECONDS = 0.5
_WATCH = "downloads-watched"
_WATCH_LASTS_SECONDS = 3


def is_handed_over(*, length: int, can_be_cut: bool) -> bool:
    """Whether nginx sends these bytes. can_be_cut: emptying the file harms nobody who may go on reading."""
    if not settings.NGINX_SENDS_FILES or not isinstance(default_storage, FileSystemStorage):
        return False
    return length <= AT_ONCE_BYTES or (can_be_cut and is_watched())


def handing_over(path: str) -> HttpResponse:
    """nginx takes the headers that its configuration names, and the bytes from the file."""
    response = HttpResponse()
    response["X-Accel-Redirect"] = LOCATION + quote(path)
    return response


def cut_ended_downloads(at: datetime) -> int:
    """Empty and remove the files that nobody may read any more. Returns how many. Sends of them break off at once."""
    listing = "table__listing__"
    is_over = (
        Q(**{f"{listing}withdrawn_at__isnull": False})
        | Q(**{f"{listing}consent__withdrawn_at__isnull": False})
        | Q(**{f"{listing}consent__valid_until__lte": at})
        | ~Q(terms_number=F(f"{listing}consent__terms_number"))
    )
    ended = list(Export.objects.filter(is_over).exclude(path="").order_by("pk"))
    for export in ended:
        empty_file(export.path)
        # Of two watchers one removes the row, and both the file.
        Export.objects.filter(pk=export.pk).delete()
        delete_file(export.path)
        logger.info("download.ended", extra={"export_id": export.public_id})
    return len(ended)


def tell_watched() -> None:
    cache.set(_WATCH, 1, _WATCH_LASTS_SECONDS)


def is_watched() -> bool:
    try:
        return cache.get(_WATCH) is not None
    except RedisError:
        return False


def empty_file(path: str) -> None:
    """Break off every send of a file."""
    try:
        os.truncate(default_storage.path(path), 0)
    except (FileNotFoundError, NotImplementedError):
        # Removed by another, or in a store of objects, from which nginx sends nothing.
        return
