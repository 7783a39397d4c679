"""The page on which a buyer takes what he bought as one file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ledger.entries import at_text
from marketplace.access.errors import TokenMissing
from marketplace.access.services import Grant, authorise_token_id
from marketplace.addresses import client_address
from marketplace.delivery.errors import ExportUnderWay
from marketplace.delivery.exports.door import export_name, export_response, form_of, wish_of
from marketplace.delivery.exports.making import Wish, prepared_export
from marketplace.delivery.live.page import working_token
from marketplace.delivery.services import describe_table
from marketplace.errors import MarketError
from marketplace.listings.models import Plan
from marketplace.purchases.models import Purchase
from marketplace.web.buyer.orders import end_of_access
from marketplace.web.forms.downloads import DownloadForm
from marketplace.web.views.purchases import own_purchase

PAGE, STATE = "buyer/download.html", "buyer/_download_state.html"


@require_safe
@login_required
@never_cache
def purchase_download(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """Without a choice the form; with one, whether the file is there."""
    context = download_context(request, own_purchase(request, public_id))
    return render(request, PAGE, context, status=422 if context.get("refusal") else 200)


@require_safe
@login_required
@never_cache
def download_status(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The fragment that is polled while the worker makes a large file."""
    return render(request, STATE, download_context(request, own_purchase(request, public_id)))


@require_safe
@login_required
@never_cache
def purchase_file(request: HttpRequest, public_id: UUID) -> HttpResponseBase:
    """The file itself, for the browser: read with the buyer's own token, and counted like every read."""
    purchase = own_purchase(request, public_id)
    try:
        grant = own_grant(request, purchase)
        return export_response(request, grant, wish_of(request.GET, form_of(request)))
    except MarketError as error:
        context = download_context(request, purchase) | {"refusal": error}
        return render(request, PAGE, context, status=422)


def own_grant(request: HttpRequest, purchase: Purchase) -> Grant:
    """Raises: TokenMissing, and what authorise raises."""
    token = working_token(purchase, timezone.now())
    if token is None:
        raise TokenMissing("This purchase has no working token. Make one on its page first.")
    return authorise_token_id(token.public_id, timezone.now(), client_address(request))


def download_context(request: HttpRequest, purchase: Purchase) -> dict[str, Any]:
    now, consent = timezone.now(), purchase.listing.consent
    token = working_token(purchase, now)
    columns = describe_table(consent, None if token is None or token.fields is None else token.fields)
    form = DownloadForm(request.GET if "format" in request.GET else None, columns=columns)
    context = {
        "purchase": purchase,
        "listing": purchase.listing,
        "ended": end_of_access(purchase, now),
        "has_token": token is not None,
        "form": form,
        "is_metered": purchase.plan.kind == Plan.Kind.METERED,
    }
    if context["ended"] or token is None or not form.is_valid():
        return context
    return context | prepared_context(request, purchase, form.wish())


def prepared_context(request: HttpRequest, purchase: Purchase, wish: Wish) -> dict[str, Any]:
    """The file of a wish, its address and the line for curl; or how far it is, or why there is none."""
    try:
        export = prepared_export(own_grant(request, purchase), wish, timezone.now())
    except ExportUnderWay as waiting:
        done, total = (int(str(waiting.details[name])) for name in ("rows_done", "rows_total"))
        status = f"{reverse('download_status', args=[purchase.public_id])}?{request.GET.urlencode()}"
        return {"waiting": {"done": done, "total": max(total, 1)}, "status_address": status}
    except MarketError as error:
        return {"refusal": error}
    query = _query(replace(wish, version=export.version))
    door = request.build_absolute_uri(reverse("readings_file", args=[purchase.public_id]))
    name = export_name(purchase.listing, export)
    command = f'curl --fail -o {name} -C - --retry 20 \\\n  -H "Authorization: Bearer $TOKEN" "{door}?{query}"'
    return {
        "export": export,
        "file_address": f"{reverse('purchase_file', args=[purchase.public_id])}?{query}",
        "curl": f'TOKEN="your token"\n{command}',
    }


def _query(wish: Wish) -> str:
    asked = {
        "format": str(wish.form),
        "from": at_text(wish.start) if wish.start else "",
        "until": at_text(wish.until) if wish.until else "",
        "columns": ",".join(wish.columns or ()),
        "version": "" if wish.version is None else str(wish.version),
    }
    return urlencode({name: value for name, value in asked.items() if value})
