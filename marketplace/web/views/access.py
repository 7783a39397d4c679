"""The one page that says who may read an owner's data and who did."""

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from marketplace.web.csv_lines import csv_lines, csv_response
from marketplace.web.forms.access import AccessFilter
from marketplace.web.owner.access_rows import (
    READS_HEAD,
    access_figures,
    access_rows,
    chosen_purchases,
    read_portions,
)
from marketplace.web.owner.sale_rows import latest_reads
from marketplace.web.paging import page_by_time
from marketplace.web.requests import OwnerRequest

ROWS_A_PAGE = 25


@require_safe
@login_required
def access_list(request: OwnerRequest) -> HttpResponse:
    now = timezone.now()
    chosen = AccessFilter({"state": "now", **request.GET.dict()}, owner=request.user)
    if not chosen.is_valid():
        raise Http404
    purchases = chosen_purchases(request.user, chosen, now).select_related("buyer", "plan", "listing__consent")
    page = page_by_time(purchases, column="purchased_at", mark=request.GET.get("from", ""), size=ROWS_A_PAGE)
    context = {
        "form": chosen,
        "rows": access_rows(list(page.rows), now),
        "page": page,
        "figures": access_figures(request.user, now),
        "reads": latest_reads(request.user),
        "is_narrowed": any(chosen.cleaned_data[name] for name in ("consent", "device")),
    }
    return render(request, "owner/access.html", context)


@require_safe
@login_required
def read_file(request: OwnerRequest) -> StreamingHttpResponse:
    """Every read, oldest first, as CSV."""
    return csv_response("reads", csv_lines(READS_HEAD, read_portions(request.user)))
