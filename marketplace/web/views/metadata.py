"""Listings for programs: catalogue and listings in the vocabularies of metadata/, a sample as CSV, the site map."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.contrib.auth.models import AnonymousUser
from django.contrib.sitemaps import Sitemap
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from marketplace.delivery.services import describe_table, sample_rows
from marketplace.listings.models import Listing
from marketplace.web.metadata import croissant, dataspace, dcat, schema_org
from marketplace.web.metadata.collecting import dataset_facts, market_facts
from marketplace.web.metadata.facts import DatasetFacts, MarketFacts

LISTINGS_A_PAGE = 100
SAMPLE_ROWS = 50
JSON_LD = "application/ld+json"
DOCUMENTS: Mapping[str, Callable[[DatasetFacts, MarketFacts], dict[str, Any]]] = {
    "dcat.jsonld": dcat.dataset_document,
    "schema.jsonld": schema_org.dataset,
    "croissant.json": croissant.document,
    "dataspace.json": dataspace.dataset,
}


def public_listings(at: datetime) -> QuerySet[Listing]:
    """What anybody may buy: programs come without a name."""
    return Listing.objects.for_sale_to(AnonymousUser(), at)


@require_safe
def listing_document(request: HttpRequest, public_id: UUID, name: str) -> HttpResponseBase:
    """A dataspace knows no dataset without an offer: where every plan would outlast the consent there is none."""
    listing = _public_listing(public_id)
    facts = dataset_facts(listing, timezone.now(), describe_table(listing.consent))
    if name == "dataspace.json" and not facts.plans:
        raise Http404
    return _answer(request, orjson.dumps(DOCUMENTS[name](facts, market_facts())), JSON_LD)


@require_safe
def sample_file(request: HttpRequest, public_id: UUID) -> HttpResponseBase:
    listing = _public_listing(public_id)
    names = [column.name for column in describe_table(listing.consent)]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([_cell(row[name]) for name in names] for row in sample_rows(listing=listing, limit=SAMPLE_ROWS))
    return _answer(request, text.getvalue().encode(), "text/csv; charset=utf-8; header=present")


@require_safe
def catalog(request: HttpRequest) -> HttpResponseBase:
    found, next_mark = _page(request)
    facts, market = _facts(found), market_facts()
    next_page = f"{market.catalogue}?after={next_mark}" if next_mark else None
    this_page = f"{market.catalogue}?{query}" if (query := request.GET.urlencode()) else market.catalogue
    document = dcat.catalogue_document(facts, market, this_page=this_page, next_page=next_page)
    return _answer(request, orjson.dumps(document), JSON_LD)


@require_safe
def dataspace_catalog(request: HttpRequest) -> HttpResponseBase:
    """The protocol pages by the Link header."""
    found, next_mark = _page(request)
    document = dataspace.catalog([facts for facts in _facts(found) if facts.plans], market_facts())
    response = _answer(request, orjson.dumps(document), JSON_LD)
    if next_mark:
        response["Link"] = f'<{request.build_absolute_uri(request.path)}?after={next_mark}>; rel="next"'
    return response


class ListingMap(Sitemap):
    """Every listing that anybody may buy, for search engines; they come in maps of 10,000."""

    limit = 10_000

    def items(self) -> QuerySet[Listing]:
        return public_listings(timezone.now()).order_by("pk")

    def location(self, item: Listing) -> str:
        return reverse("listing_page", args=[item.public_id])

    def lastmod(self, item: Listing) -> datetime | None:
        return item.published_at


class PageMap(Sitemap):
    def items(self) -> list[str]:
        return ["landing", "catalogue", "log_explorer", "log_verification", "origin_verification", "api_docs"]

    def location(self, item: str) -> str:
        return reverse(item)


SITE_MAPS = {"pages": PageMap, "listings": ListingMap}


def _public_listing(public_id: UUID) -> Listing:
    live = public_listings(timezone.now()).select_related("seller", "consent", "quality").prefetch_related("plans")
    return get_object_or_404(live, public_id=public_id)


def _page(request: HttpRequest) -> tuple[list[Listing], str]:
    """One page, the first published first, so that a later one never moves; and the mark of the next page."""
    live = public_listings(timezone.now()).select_related("seller", "consent", "quality").prefetch_related("plans")
    live, mark = live.order_by("pk"), request.GET.get("after", "")
    if mark:
        live = live.filter(pk__gt=_listing_named(mark).pk)
    found = list(live[: LISTINGS_A_PAGE + 1])
    more = len(found) > LISTINGS_A_PAGE
    found = found[:LISTINGS_A_PAGE]
    return found, str(found[-1].public_id) if more else ""


def _facts(found: list[Listing]) -> list[DatasetFacts]:
    now = timezone.now()
    return [dataset_facts(listing, now) for listing in found]


def _listing_named(mark: str) -> Listing:
    """A mark holds also when its listing was withdrawn since. Raises Http404."""
    try:
        public_id = UUID(mark)
    except ValueError as error:
        raise Http404 from error
    return get_object_or_404(Listing, public_id=public_id, published_at__isnull=False)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _answer(request: HttpRequest, content: bytes, content_type: str) -> HttpResponseBase:
    """Who asks again with the ETag gets nothing new when there is nothing new."""
    response = HttpResponse(content, content_type=content_type)
    response["ETag"] = etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    response["Cache-Control"] = "public, max-age=60"
    response["Access-Control-Allow-Origin"] = "*"
    return get_conditional_response(request, etag=etag, response=response) or response
