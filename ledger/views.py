"""What the log shows to anyone. Nothing here is about a person, so nothing here asks who reads."""

import hashlib

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag
from django.views.decorators.http import require_safe

from ledger.models import LogHead
from ledger.shown_checkpoint import shown_checkpoint
from ledger.signing import log_verifier_keys
from ledger.trust import log_policy

PLAIN_TEXT = "text/plain; charset=utf-8"
CHECKPOINT_SECONDS = 2
KEY_SECONDS = 3600
POLICY_SECONDS = 300


@require_safe
def log_checkpoint(request: HttpRequest) -> HttpResponseBase:
    head = LogHead.objects.get(pk=1)
    if not head.note:
        # The sequencer signs the empty log as soon as it runs; who reads cannot sign.
        return HttpResponse(
            "Nothing was signed yet.\n",
            status=503,
            content_type=PLAIN_TEXT,
            headers={"Retry-After": str(CHECKPOINT_SECONDS), "Cache-Control": "no-store"},
        )
    text = shown_checkpoint(head.note)
    return _plain(request, text, _fingerprint(text), CHECKPOINT_SECONDS)


@require_safe
def log_vkey(request: HttpRequest) -> HttpResponseBase:
    """Every key that ever signed, newest first, one in each line."""
    keys = log_verifier_keys()
    text = "".join(f"{key}\n" for key in keys)
    return _plain(request, text, "-".join(key.key_id.hex() for key in keys), KEY_SECONDS)


@require_safe
def log_policy_file(request: HttpRequest) -> HttpResponseBase:
    """Who this log thinks its readers should trust: its keys, its witnesses, and how many of them are enough."""
    text = log_policy().text()
    return _plain(request, text, _fingerprint(text), POLICY_SECONDS)


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _plain(request: HttpRequest, text: str, etag: str, seconds: int) -> HttpResponseBase:
    response = HttpResponse(text, content_type=PLAIN_TEXT, headers={"ETag": quote_etag(etag)})
    patch_cache_control(response, public=True, max_age=seconds)
    return get_conditional_response(request, etag=quote_etag(etag), response=response) or response
