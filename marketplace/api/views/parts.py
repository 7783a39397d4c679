"""What every API view needs: the person, checked input, keyset pages, entry numbers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import DataError, transaction
from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from ledger.models import Entry
from marketplace.accounts.models import User
from marketplace.api.errors import CursorInvalid

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Up to 128 characters. A repeat with the same key and body gets the first answer and acts no more.",
)
CURSOR = OpenApiParameter("cursor", OpenApiTypes.STR, description="From next or previous of the page before.")


def person_of(request: Request) -> User:
    """The person whose key or session this is; the permission class has refused everyone else."""
    assert isinstance(request.user, User)
    return request.user


def checked(serializer_class: type[BaseSerializer[Any]], data: Mapping[str, Any] | list[Any]) -> dict[str, Any]:
    """Raises: ValidationError, which becomes a problem that names each wrong field."""
    serializer = serializer_class(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def paged(
    request: Request,
    rows: QuerySet[Any],
    serializer_class: type[BaseSerializer[Any]],
    *,
    ordering: str,
    context_of: Callable[[list[Any]], dict[str, Any]] = lambda page: {},
) -> Response:
    """Answer with {next, previous, results}: keyset pages of 50 in the given order.

    context_of: what the serializer needs to know about the rows of the page.
    Raises: CursorInvalid.
    """
    page = _Page(ordering)
    found = page.paginate_queryset(rows, request)
    return page.get_paginated_response(serializer_class(found, many=True, context=context_of(found)).data)


def entry_indices(ids: Iterable[UUID]) -> dict[UUID, int]:
    return Entry.objects.for_ids(ids)


class _Page(CursorPagination):
    page_size = 50

    def __init__(self, ordering: str) -> None:
        self.ordering = (ordering, "-pk" if ordering.startswith("-") else "pk")

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        """A cursor is only base64: what is in it meets the column first in the query. Raises: CursorInvalid."""
        if self.cursor_query_param not in request.query_params:
            return super().paginate_queryset(queryset, request, view) or []
        try:
            # The database may be what refuses the value, which breaks a transaction around it.
            with transaction.atomic():
                return super().paginate_queryset(queryset, request, view) or []
        except (NotFound, ValueError, OverflowError, ValidationError, DataError) as error:
            raise CursorInvalid from error
