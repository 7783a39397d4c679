from functools import cache

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
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    return read_operations(generator.get_schema(request=None, public=True))  # type: ignore[no-untyped-call]
