from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from ledger.kinds import kinds_in

MOST_COUNTED = 10_000


class CappedPaginator(Paginator):
    """Counts, and so pages, no further than 10,000 rows: beyond that one searches or narrows the time."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return min(rows.order_by()[: MOST_COUNTED + 1].count(), MOST_COUNTED)


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind, kind) for kind in kinds_in(model_admin.model._meta.db_table)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class TimeRangeFilter(admin.ListFilter):
    """Two times, both UTC and both optional; from is included, until is not."""

    title = "time (UTC)"
    template = "admin/ledger/time_range_filter.html"
    column = "at"

    def __init__(self, request: HttpRequest, params: dict[str, list[str]], model: Any, model_admin: Any) -> None:
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if name in params:
                self.used_parameters[name] = params.pop(name)[-1]

    def has_output(self) -> bool:
        return True

    def expected_parameters(self) -> list[str | None]:
        return ["from", "until"]

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:
        others = changelist.get_filters_params().items()
        yield {
            "from": self.used_parameters.get("from", ""),
            "until": self.used_parameters.get("until", ""),
            "search": changelist.query,
            "others": [(name, values[-1]) for name, values in others if name not in self.expected_parameters()],
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        for name, lookup in (("from", "gte"), ("until", "lt")):
            if text := self.used_parameters.get(name):
                queryset = queryset.filter(**{f"{self.column}__{lookup}": _parse_time(str(text))})
        return queryset


class SignedRangeFilter(TimeRangeFilter):
    column = "signed_at"


class SubmittedRangeFilter(TimeRangeFilter):
    column = "submitted_at"


def _parse_time(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise IncorrectLookupParameters(str(error)) from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
