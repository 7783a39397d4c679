from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from marketplace.errors import MarketError
from marketplace.purchases.services import may_return_until, obstacle_to_refund, refund_for_asking, refund_on_request
from marketplace.web.formats import money_text
from marketplace.web.views.purchases import own_purchase


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def purchase_refund(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET asks, POST gives the purchase back."""
    now, purchase = timezone.now(), own_purchase(request, public_id)
    context: dict[str, object] = {
        "purchase": purchase,
        "listing": purchase.listing,
        "refund_micros": refund_for_asking(purchase, now),
        "is_narrowed": purchase.clock_started_at is not None or now >= may_return_until(purchase),
    }
    if request.method == "POST":
        try:
            refund = refund_on_request(purchase=purchase, at=now)
        except MarketError as error:
            return render(request, "buyer/refund.html", {**context, "refusal": error}, status=422)
        back = money_text(refund.amount_micros, purchase.currency)
        messages.success(request, f"{back} is back in your wallet. The purchase opens nothing any more.")
        return redirect("purchase_page", public_id)
    return render(request, "buyer/refund.html", {**context, "refusal": obstacle_to_refund(purchase, now)})
