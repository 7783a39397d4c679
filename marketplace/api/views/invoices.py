from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.accounts.models import User
from marketplace.api.serializers.invoices import InvoiceOut, WholeInvoiceOut
from marketplace.api.views.parts import CURSOR, paged, person_of
from marketplace.invoices.models import Invoice


def addressed_to(user: User) -> QuerySet[Invoice]:
    return Invoice.objects.filter(recipient=user).select_related("purchase", "corrects")


class InvoiceListView(APIView):
    @extend_schema(
        summary="My invoices, credit notes and settlements", parameters=[CURSOR], responses=InvoiceOut(many=True)
    )
    def get(self, request: Request) -> Response:
        return paged(request, addressed_to(person_of(request)), InvoiceOut, ordering="-issued_at")


class InvoiceView(APIView):
    @extend_schema(summary="One of them, with both parties and its lines", responses=WholeInvoiceOut)
    def get(self, request: Request, public_id: UUID) -> Response:
        mine = addressed_to(person_of(request)).prefetch_related("lines")
        return Response(WholeInvoiceOut(get_object_or_404(mine, public_id=public_id)).data)
