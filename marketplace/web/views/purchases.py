from typing import Any, cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from marketplace.accounts.models import User
from marketplace.delivery.services import buy_and_prepare
from marketplace.errors import MarketError
from marketplace.invoices.models import Invoice
from marketplace.purchases.models import Purchase
from marketplace.purchases.sight import listings_seen_by
from marketplace.web.buyer.checkout import checkout_context, refusal_of
from marketplace.web.buyer.orders import early_end, purchase_context, purchase_rows
from marketplace.web.forms.buyer import PurchaseForm, read_uuid
from marketplace.web.paging import page_by_time
from marketplace.web.plan_words import price_sentence, tax_in, tax_label
from marketplace.web.records import seal_of, seals_of
from marketplace.web.replies import reply_invalid
from marketplace.web.wording import plan_name

CHECKOUT, CHECKOUT_PANEL = "buyer/checkout.html", "buyer/_checkout.html"
PAGE_SIZE = 25


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def purchase_create(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET shows what is about to be bought, POST buys it."""
    now, buyer = timezone.now(), cast(User, request.user)
    listing = get_object_or_404(listings_seen_by(buyer, now), public_id=public_id)
    if request.method != "POST":
        plan_id = read_uuid(request.GET.get("plan"))
        return render(request, CHECKOUT, checkout_context(listing, buyer, now, plan_id))
    form = PurchaseForm(request.POST, listing=listing)
    context: dict[str, Any] = {}
    if form.is_valid():
        try:
            purchase = buy_and_prepare(listing=listing, buyer=buyer, at=now, **form.cleaned_data)
        except MarketError as error:
            context["refusal"] = refusal_of(error)
        else:
            return redirect("purchase_page", purchase.public_id)
    context = checkout_context(listing, buyer, now, read_uuid(request.POST.get("plan"))) | {"form": form} | context
    return reply_invalid(request, page=CHECKOUT, fragment=CHECKOUT_PANEL, context=context)


@require_safe
@login_required
def purchase_list(request: HttpRequest) -> HttpResponse:
    """What can be loaded now; with state=ended, what could be before."""
    now = timezone.now()
    mine = Purchase.objects.for_buyer(cast(User, request.user)).begun()
    readable = mine.readable_at(now)
    is_ended = request.GET.get("state") == "ended"
    shown = mine.exclude(pk__in=readable.values("pk")) if is_ended else readable
    shown = shown.select_related("listing__consent", "plan")
    page = page_by_time(shown, column="purchased_at", mark=request.GET.get("after", ""), size=PAGE_SIZE)
    live_count, all_count = readable.count(), mine.count()
    context = {
        "rows": purchase_rows(page.rows, now),
        "next_mark": page.next_mark,
        "is_ended": is_ended,
        "live_count": live_count,
        "ended_count": all_count - live_count,
    }
    return render(request, "buyer/purchases.html", context)


@require_safe
@login_required
@never_cache
def purchase_page(request: HttpRequest, public_id: UUID) -> HttpResponse:
    return render(request, "buyer/purchase.html", purchase_context(request, own_purchase(request, public_id)))


@require_safe
@login_required
@never_cache
def purchase_status(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """The fragment that the purchase page polls."""
    context = purchase_context(request, own_purchase(request, public_id))
    return render(request, "buyer/_purchase_progress.html", context)


@require_safe
@login_required
@never_cache
def purchase_news(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """What a page that shows the data as ready polls: 204 while nothing moved. seen: the mark of what it shows."""
    context = purchase_context(request, own_purchase(request, public_id))
    if request.GET.get("seen") == context["mark"]:
        return HttpResponse(status=204)
    return render(request, "buyer/_purchase_news.html", context | {"is_news": True})


@require_safe
@login_required
def purchase_receipt(request: HttpRequest, public_id: UUID) -> HttpResponse:
    purchase = own_purchase(request, public_id)
    market_micros = purchase.price_micros - purchase.seller_micros - purchase.tax_micros
    context: dict[str, Any] = {"purchase": purchase, "market_micros": market_micros}
    context["plan_name"], context["price_sentence"] = plan_name(purchase.plan), price_sentence(purchase.plan)
    context["later"] = list(purchase.followers.order_by("pk"))
    context["invoices"] = list(Invoice.objects.filter(purchase=purchase).order_by("pk"))
    context["tax_label"] = tax_label(tax_in(purchase))
    context["seal"] = seal_of(purchase.entry_id)
    context["end"] = early_end(purchase)
    refunds = list(purchase.refunds.all())
    records = seals_of(refund.entry_id for refund in refunds)
    context["refunds"] = [(refund, records[refund.entry_id]) for refund in refunds]
    return render(request, "buyer/receipt.html", context)


def own_purchase(request: HttpRequest, public_id: UUID) -> Purchase:
    mine = Purchase.objects.for_buyer(cast(User, request.user))
    return get_object_or_404(mine.select_related("listing__consent", "listing__seller", "plan"), public_id=public_id)
