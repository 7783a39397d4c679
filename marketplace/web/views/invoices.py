from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from marketplace.invoices.models import Invoice, InvoiceQuerySet
from marketplace.web.invoice_pdf import invoice_pdf
from marketplace.web.invoice_words import invoice_page as page_of
from marketplace.web.paging import page_by_time
from marketplace.web.requests import OwnerRequest

ROWS_A_PAGE = 50


@require_safe
@login_required
def invoice_list(request: OwnerRequest) -> HttpResponse:
    """A buyer's invoices and credit notes."""
    return _list(request, Invoice.objects.for_buyer(request.user), "buyer/invoices.html")


@require_safe
@login_required
def settlement_list(request: OwnerRequest) -> HttpResponse:
    """A seller's monthly settlements."""
    return _list(request, Invoice.objects.for_seller(request.user), "owner/sales/settlements.html")


@require_safe
@login_required
def invoice_page(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    invoice = one_invoice(Invoice.objects.filter(recipient=request.user), public_id)
    notes = invoice.credit_notes.all()
    return render(request, "buyer/invoice.html", {"page": page_of(invoice), "invoice": invoice, "notes": notes})


@require_safe
@login_required
def invoice_file(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """Operators open it too, from the admin panel."""
    invoice = one_invoice(Invoice.objects.seen_by(request.user), public_id)
    response = HttpResponse(invoice_pdf(page_of(invoice)), content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{invoice.full_number}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response


def one_invoice(invoices: InvoiceQuerySet, public_id: UUID) -> Invoice:
    parts = invoices.select_related("purchase__listing", "corrects").prefetch_related("lines")
    return get_object_or_404(parts, public_id=public_id)


def _list(request: OwnerRequest, invoices: InvoiceQuerySet, template: str) -> HttpResponse:
    years = list(invoices.order_by("-year").values_list("year", flat=True).distinct())
    year = request.GET.get("year", "")
    chosen = int(year) if year.isascii() and year.isdigit() and int(year) in years else None
    shown = invoices.filter(year=chosen) if chosen else invoices
    page = page_by_time(
        shown.select_related("purchase__listing"),
        column="issued_at",
        mark=request.GET.get("after", ""),
        size=ROWS_A_PAGE,
    )
    context = {"rows": page.rows, "next_mark": page.next_mark, "years": years, "chosen": chosen}
    return render(request, template, context)
