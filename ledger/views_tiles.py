"""The files of the log below its address. What was signed never changes, so whoever has a file never asks again."""

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from ledger.errors import TileMissing
from ledger.tree_files import file_bytes, parse_path

KEPT_SECONDS = 31_536_000


@require_safe
def log_tile(request: HttpRequest, place: str) -> HttpResponse:
    return _file(f"tile/{place}")


@require_safe
@gzip_page
def log_entry_bundle(request: HttpRequest, place: str) -> HttpResponse:
    return _file(f"tile/entries/{place}")


def _file(path: str) -> HttpResponse:
    try:
        content = file_bytes(parse_path(path))
    except TileMissing as error:
        # What is not there yet may come with the next checkpoint.
        return HttpResponse(
            f"{error}\n",
            status=404,
            content_type="text/plain; charset=utf-8",
            headers={"Cache-Control": "no-store"},
        )
    response = HttpResponse(content, content_type="application/octet-stream")
    patch_cache_control(response, public=True, max_age=KEPT_SECONDS, immutable=True)
    return response
