"""The page on which a buyer watches new rows come."""

from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from marketplace.addresses import client_address
from marketplace.delivery.live.page import linked_address, newest_rows, stream_address, working_token
from marketplace.delivery.services import describe_table
from marketplace.errors import MarketError
from marketplace.listings.models import Plan
from marketplace.purchases.models import Purchase
from marketplace.web.buyer.orders import end_of_access
from marketplace.web.views.purchases import own_purchase
from marketplace.web.wording import unit_label

PAGE = "buyer/live.html"
MOST_ROWS = 20


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def purchase_live(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET shows the page, POST with the newest rows: those are counted as read, so nothing shows them unasked."""
    purchase = own_purchase(request, public_id)
    context = live_context(purchase)
    status = 200
    if request.method == "POST" and context["token"] is not None:
        try:
            context["newest"] = newest_rows(
                token=context["token"], limit=MOST_ROWS, at=timezone.now(), address=client_address(request)
            )
        except MarketError as error:
            context["refusal"], status = error, 422
    return render(request, PAGE, context, status=status)


@require_safe
@login_required
@never_cache
def purchase_live_link(request: HttpRequest, public_id: UUID) -> JsonResponse:
    """Where the page's script finds the stream, for the next minute; or why not."""
    context = live_context(own_purchase(request, public_id))
    if context["ended"] or context["token"] is None:
        message = context["ended"] or "This purchase has no working token. Make one on its page."
        return JsonResponse({"message": message}, status=409)
    return JsonResponse({"url": linked_address(context["token"])})


def live_context(purchase: Purchase) -> dict[str, Any]:
    now, consent = timezone.now(), purchase.listing.consent
    ended = end_of_access(purchase, now)
    token = None if ended else working_token(purchase, now)
    columns = describe_table(consent, None if token is None or token.fields is None else token.fields)
    return {
        "purchase": purchase,
        "listing": purchase.listing,
        "ended": ended,
        "token": token,
        "columns": columns,
        "column_facts": [
            {"name": column.name, "title": column.field, "unit": unit_label(column.unit)} for column in columns[2:]
        ],
        "is_metered": purchase.plan.kind == Plan.Kind.METERED,
        "is_held_back": consent.delay_seconds > 0 or consent.resolution != "raw",
        "closed_at": purchase.last_term().window_until if purchase.last_term().window_until <= now else None,
        "most_rows": MOST_ROWS,
        "curl": 'TOKEN="your token"\ncurl -N -H "Authorization: Bearer $TOKEN" \\\n  '
        + stream_address(purchase.public_id),
    }
