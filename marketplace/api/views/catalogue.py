"""What everybody may see: listings that are live."""

from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.api.serializers.listings import CatalogueQuery, ListingOut
from marketplace.api.views.parts import checked
from marketplace.delivery.tables.preview import sample_rows
from marketplace.delivery.tables.projection import describe_table
from marketplace.listings.catalogue import SORTS, CatalogueSearch, find_listings
from marketplace.listings.facets import FACETS, FacetSelection
from marketplace.listings.models import Listing

SAMPLE_ROWS = 10


def live_listing(request: Request, public_id: UUID) -> Listing:
    live = Listing.objects.for_sale_to(request.user, timezone.now())
    return get_object_or_404(live.select_related("seller", "consent", "quality"), public_id=public_id)


class CatalogueView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(summary="Search the catalogue", parameters=[CatalogueQuery], responses=ListingOut(many=True))
    def get(self, request: Request) -> Response:
        asked = checked(CatalogueQuery, request.query_params)
        selection = FacetSelection(**{kind: tuple(asked[kind]) for kind in FACETS})
        sort = asked["sort"] if asked["sort"] in SORTS else ""
        page = find_listings(
            search=CatalogueSearch(asked["q"], selection, sort),
            user=request.user,
            at=timezone.now(),
            after=asked["after"],
        )
        return Response(
            {
                "count": page.total,
                "next_after": page.next_after,
                "facets": page.counts,
                "results": [ListingOut(listing).data for listing in page.listings],
            }
        )


class CatalogueListingView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(summary="One live listing", responses=ListingOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        return Response(ListingOut(live_listing(request, public_id)).data)


class SampleView(APIView):
    permission_classes = [AllowAny]

    @extend_schema(summary="Columns and sample rows of a live listing", responses={200: dict})
    def get(self, request: Request, public_id: UUID) -> Response:
        listing = live_listing(request, public_id)
        columns = [
            {"name": column.name, "field": column.field, "unit": column.unit, "kind": column.kind}
            for column in describe_table(listing.consent)
        ]
        return Response({"columns": columns, "rows": sample_rows(listing=listing, limit=SAMPLE_ROWS)})
