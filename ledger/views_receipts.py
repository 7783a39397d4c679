"""The receipt and the bytes of one entry, for anybody: an entry names nobody, so its receipt does not either."""

import hashlib
import logging

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe

from ledger.errors import LogDamaged
from ledger.models import Entry, StoredReceipt
from ledger.receipt_building import receipt_for
from ledger.receipts import SUFFIX
from ledger.views import PLAIN_TEXT
from ledger.views_tiles import KEPT_SECONDS

logger = logging.getLogger(__name__)


@require_safe
def log_receipt(request: HttpRequest, index: int) -> HttpResponseBase:
    """A C2SP tlog-proof file. Until it is final its name says so, and nobody keeps it unasked: it changes once."""
    entry = get_object_or_404(Entry, index=index)
    try:
        text = receipt_for(entry, at=timezone.now())
    except LogDamaged as error:
        logger.exception("ledger.receipt_refused", extra={"index": index})
        return HttpResponse(f"{error}\n", status=503, content_type=PLAIN_TEXT, headers={"Cache-Control": "no-store"})
    # Compared, because it may have become final since it was made.
    is_final = StoredReceipt.objects.filter(pk=index, text=text).exists()
    name = f"entry-{index}{'' if is_final else '-not-final'}{SUFFIX}"
    return _file(request, text.encode(), name, PLAIN_TEXT, is_kept=is_final)


@require_safe
def log_entry_bytes(request: HttpRequest, index: int) -> HttpResponseBase:
    """Exactly what the leaf hash is made of."""
    body = bytes(get_object_or_404(Entry, index=index).body)
    return _file(request, body, f"entry-{index}.json", "application/json", is_kept=True)


def _file(request: HttpRequest, content: bytes, name: str, content_type: str, *, is_kept: bool) -> HttpResponseBase:
    etag = quote_etag(hashlib.sha256(content).hexdigest()[:32])
    response = HttpResponse(content, content_type=content_type, headers={"ETag": etag})
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    if is_kept:
        patch_cache_control(response, public=True, max_age=KEPT_SECONDS, immutable=True)
    else:
        patch_cache_control(response, public=True, no_cache=True)
    return get_conditional_response(request, etag=etag, response=response) or response
