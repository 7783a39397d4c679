"""What was read of a purchase, day by day and read by read, and the proof that each read is in the log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDay
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from ledger.entries import at_text
from marketplace.delivery.models import Read
from marketplace.delivery.reads.summarising import proof_document, proof_of
from marketplace.purchases.models import Purchase
from marketplace.web.buyer.running import running_context
from marketplace.web.csv_lines import csv_lines, csv_response
from marketplace.web.formats import money_text, plural
from marketplace.web.paging import page_by_time
from marketplace.web.records import seal_of
from marketplace.web.requests import OwnerRequest
from marketplace.web.views.purchases import own_purchase

READS_A_PAGE = 50
DAYS_SHOWN = 30
HEAD = ("at", "read", "through", "token", "rows", "bytes", "summed_up_on", "entry_id")
_AT_ONCE = 1_000


@require_safe
@login_required
@never_cache
def purchase_usage(request: HttpRequest, public_id: UUID) -> HttpResponse:
    purchase, now = own_purchase(request, public_id), timezone.now()
    reads = reads_of(purchase).select_related("token", "summary")
    page = page_by_time(reads, column="at", mark=request.GET.get("from", ""), size=READS_A_PAGE)
    context = {
        "purchase": purchase,
        "listing": purchase.listing,
        "totals": reads.aggregate(count=Count("pk"), rows=Sum("row_count"), bytes=Sum("byte_count")),
        "days": days_of(purchase, now),
        "tokens": tokens_of(purchase),
        "reads": page.rows,
        "page": page,
        **month_context(purchase, now),
    }
    return render(request, "buyer/usage.html", context)


@require_safe
@login_required
def usage_file(request: HttpRequest, public_id: UUID) -> StreamingHttpResponse:
    """Every read of a purchase, oldest first, as CSV."""
    return csv_response("usage", csv_lines(HEAD, _portions(own_purchase(request, public_id))))


@require_safe
@login_required
def read_page(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """One read, for who read and for whose data it was, with its way into the log."""
    read = seen_read(request, public_id)
    proof = proof_of(read)
    context = {
        "read": read,
        "is_buyer": read.purchase.buyer_id == request.user.pk,
        "proof": proof,
        "seal": seal_of(proof.summary.entry_id) if proof else None,
    }
    return render(request, "buyer/read.html", context)


@require_safe
@login_required
def read_proof(request: OwnerRequest, public_id: UUID) -> JsonResponse:
    """The proof as a file, which anybody can check who is given it."""
    proof = proof_of(seen_read(request, public_id))
    if proof is None:
        message = "The day of this read is not summed up yet. That happens within an hour after it is over (UTC)."
        return JsonResponse({"message": message}, status=409)
    response = JsonResponse(proof_document(proof, at=timezone.now()), json_dumps_params={"indent": 2})
    response["Content-Disposition"] = f'attachment; filename="read-{public_id}.json"'
    response["Cache-Control"] = "private, no-store"
    return response


def month_context(purchase: Purchase, at: datetime) -> dict[str, Any]:
    """What the running month of a metered purchase comes to, by the same counting as its bill."""
    context = running_context(purchase, at, is_over=purchase.ended_at is not None)
    usage, most = context["usage"], context["usage_most"]
    if usage is None:
        return {}
    rows = plural(usage.bill.row_count, "row")
    note = f"for {rows}, of at most {money_text(most, purchase.currency)}" if most is not None else f"for {rows}"
    return {"usage": usage, "charged_text": context["charged_text"], "month_note": note}


def seen_read(request: OwnerRequest, public_id: UUID) -> Read:
    seen = Read.objects.filter(Q(purchase__buyer=request.user) | Q(purchase__listing__seller=request.user))
    rows = seen.select_related("purchase__listing", "purchase__buyer", "token", "summary")
    return get_object_or_404(rows, public_id=public_id)


def reads_of(purchase: Purchase) -> QuerySet[Read]:
    """A renewal's are those of the purchase that it continues."""
    return Read.objects.filter(purchase=purchase.continues_id or purchase.pk)


def days_of(purchase: Purchase, at: datetime) -> list[Any]:
    """The last days on which something was read, newest first; days are the log's, in UTC."""
    since = at - timedelta(days=DAYS_SHOWN)
    days = reads_of(purchase).filter(at__gte=since).order_by().annotate(day=TruncDay("at", tzinfo=UTC)).values("day")
    return list(days.annotate(count=Count("pk"), rows=Sum("row_count"), bytes=Sum("byte_count")).order_by("-day"))


def tokens_of(purchase: Purchase) -> list[Any]:
    by_token = reads_of(purchase).order_by().values("token__prefix", "token__public_id")
    return list(by_token.annotate(count=Count("pk"), rows=Sum("row_count")).order_by("-rows")[:50])


def _portions(purchase: Purchase) -> Iterator[list[list[str]]]:
    rows, last = reads_of(purchase).select_related("token", "summary").order_by("pk"), 0
    while found := list(rows.filter(pk__gt=last)[:_AT_ONCE]):
        last = found[-1].pk
        yield [_cells(read) for read in found]


def _cells(read: Read) -> list[str]:
    summed = [read.summary.day.isoformat(), str(read.summary.entry_id)] if read.summary else ["", ""]
    counted = [str(read.row_count), str(read.byte_count)]
    return [at_text(read.at), str(read.public_id), read.door, read.token.prefix, *counted, *summed]
