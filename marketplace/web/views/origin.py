from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from marketplace.access.errors import TokenMissing
from marketplace.access.services import authorise_token_id
from marketplace.addresses import client_address
from marketplace.delivery.evidence.door import evidence_response
from marketplace.errors import MarketError
from marketplace.purchases.models import Purchase
from marketplace.web.buyer.orders import purchase_context
from marketplace.web.requests import post_only
from marketplace.web.views.purchases import own_purchase


@post_only("purchase_page")
@login_required
@never_cache
def purchase_evidence(request: HttpRequest, public_id: UUID) -> HttpResponseBase:
    """The evidence file, loaded with the buyer's widest token: it is a read like others, so a token answers for it."""
    purchase = own_purchase(request, public_id)
    try:
        return _evidence(purchase, client_address(request))
    except MarketError as error:
        context = purchase_context(request, purchase) | {"origin_refusal": {"why": str(error), "code": error.code}}
        return render(request, "buyer/purchase.html", context, status=422)


def _evidence(purchase: Purchase, address: str) -> HttpResponseBase:
    now = timezone.now()
    usable = [token for token in purchase.tokens.order_by("-created_at") if token.is_usable(now)]
    if not usable:
        raise TokenMissing("This purchase has no working token. Make one first.")
    widest = min(usable, key=lambda token: token.is_narrowed)
    return evidence_response(authorise_token_id(widest.public_id, now, address), at=now)
