from datetime import datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ledger.models import Checkpoint
from ledger.services import final_size
from marketplace.listings.models import Listing
from marketplace.web.buyer.cards import listing_cards
from marketplace.web.figures import market_figures
from marketplace.web.formats import cents_text

CARDS = 3


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """What the market does for owners and for buyers, with its live figures and some of its real listings."""
    now = timezone.now()
    figures = market_figures(now)
    context = {
        "figures": figures,
        "paid_text": cents_text(figures.paid_micros, settings.MARKET_CURRENCY),
        "cards": listing_cards(newest_listings(request, now), now),
        "final_size": final_size(),
        "checkpoint": Checkpoint.objects.defer("note").order_by("-size").first(),
    }
    return render(request, "landing.html", context)


def newest_listings(request: HttpRequest, at: datetime) -> list[Listing]:
    live = Listing.objects.for_sale_to(request.user, at).select_related("seller", "consent", "quality")
    return list(live.prefetch_related("plans").order_by("-published_at", "-pk")[:CARDS])
