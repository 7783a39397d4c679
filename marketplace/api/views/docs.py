from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from marketplace.api.operations import OperationGroup, read_operations


@require_safe
def api_docs(request: HttpRequest) -> HttpResponse:
    """Every act of the API with a form to try it. The schema itself is at /api/schema/."""
    return render(request, "api/docs.html", {"groups": operation_groups()})


@cache
def operation_groups() -> list[OperationGroup]:
    generator: Any = SchemaGenerator  # The library is untyped there.
    return read_operations(generator().get_schema(request=None, public=True))
