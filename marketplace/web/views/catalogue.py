from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from marketplace.listings.catalogue import find_listings
from marketplace.web.buyer.cards import listing_cards
from marketplace.web.buyer.facets import chosen_tags, facet_groups, sort_options, widening_links
from marketplace.web.forms.buyer import read_search, read_uuid


@require_safe
def catalogue(request: HttpRequest) -> HttpResponse:
    now, search = timezone.now(), read_search(request.GET)
    after = read_uuid(request.GET.get("after"))
    found = find_listings(search=search, user=request.user, at=now, after=after)
    context: dict[str, Any] = {
        "search": search,
        "found": found,
        "after": after,
        "cards": listing_cards(found.listings, now),
        "groups": facet_groups(found.counts, search.selection),
        "sorts": sort_options(search),
        "chosen": chosen_tags(request.GET, search),
        "widenings": widening_links(request.GET, search, found.widenings),
    }
    return render(request, "buyer/catalogue.html", context)
