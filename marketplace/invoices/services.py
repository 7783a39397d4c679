"""Issue what is due: numbered without gaps, by one issuer at a time, complete, and never touched again."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min, Q, Sum

from marketplace.accounts.models import User
from marketplace.accounts.services import particulars_of
from marketplace.invoices.drafting import Draft, credit_note_for, invoice_for, number_lines, settlements_for
from marketplace.invoices.models import DueDocument, Invoice, InvoiceLine
from marketplace.purchases.models import Refund
from marketplace.wallet.models import Transfer

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 200
MONTHS_BACK = 3
# A sale that began before midnight may be released a moment after it.
SETTLED_AFTER = timedelta(hours=1)
# Differs from the other advisory locks of this database.
_ISSUING = 0x0106_1417


def issue_due(*, at: datetime, buyer: User | None = None, most: int = MOST_AT_ONCE) -> int:
    """Issue an invoice for each paid purchase and a credit note for each refund that has none, oldest first.

    buyer: only this person's. Returns how many documents were issued.
    """
    count = 0
    while issued := _issue_some(at, buyer, most):
        count += issued
    return count


@transaction.atomic
def issue_settlements(*, at: datetime) -> int:
    """Issue each seller's settlement of the months that are over. Returns how many were issued."""
    _wait_for_turn()
    count, ends_at = 0, _month_start(at - SETTLED_AFTER)
    starts_at = _first_unsettled(ends_at)
    while starts_at < ends_at:
        month_ends_at = _month_start(starts_at + timedelta(days=31))
        count += _issue(settlements_for(starts_at, month_ends_at), at)
        starts_at = month_ends_at
    return count


@transaction.atomic
def _issue_some(at: datetime, buyer: User | None, most: int) -> int:
    _wait_for_turn()
    mine = Q(purchase__buyer=buyer) if buyer else Q()
    due = DueDocument.objects.filter(mine, refund=None).order_by("purchase_id")[:most]
    rows = list(due.select_related("purchase__buyer", "purchase__listing", "purchase__plan"))
    bought = [row.purchase for row in rows if row.purchase is not None]
    # What an older program issued while the notes were begun has its invoice.
    has_one = set(
        Invoice.objects.filter(series=Invoice.Series.INVOICE, purchase__in=bought).values_list("purchase", flat=True)
    )
    issued = _issue([invoice_for(one) for one in bought if one.pk not in has_one], at)
    DueDocument.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return issued or _issue_credit_notes(at, buyer, most)


def _issue_credit_notes(at: datetime, buyer: User | None, most: int) -> int:
    drafts = _credit_notes(buyer, most)
    noted = [draft.invoice.refund_id for draft in drafts]
    issued = _issue(drafts, at)
    DueDocument.objects.filter(refund__in=noted).delete()
    return issued


def _credit_notes(buyer: User | None, most: int) -> list[Draft]:
    mine = Q(purchase__buyer=buyer) if buyer else Q()
    noted = DueDocument.objects.filter(refund__isnull=False).values("refund")
    due = Refund.objects.filter(mine, pk__in=noted, credit_note=None).select_related(
        "purchase__buyer", "purchase__listing"
    )
    refunds = list(due.order_by("pk")[:most])
    corrected = Invoice.objects.filter(
        series=Invoice.Series.INVOICE, purchase__in={refund.purchase_id for refund in refunds}
    )
    invoices = {invoice.purchase_id: invoice for invoice in corrected}
    given_back: dict[int, int] = {}
    drafts = []
    for refund in refunds:
        # What has no invoice yet gets it first, in the next round.
        if (invoice := invoices.get(refund.purchase_id)) is None:
            continue
        if refund.purchase_id not in given_back:
            notes = Invoice.objects.filter(corrects=invoice).aggregate(total=Sum("total_micros"))
            given_back[refund.purchase_id] = notes["total"] or 0
        drafts.append(credit_note_for(refund, invoice, given_back[refund.purchase_id]))
        given_back[refund.purchase_id] += refund.amount_micros
    return drafts


def _issue(drafts: Iterable[Draft], at: datetime) -> int:
    """Number and write documents, in the turn of the running transaction: if it fails, so do their numbers."""
    numbers: dict[str, int] = {}
    invoices, lines = [], []
    for draft in drafts:
        invoice = draft.invoice
        if invoice.series not in numbers:
            numbers[invoice.series] = _last_number(invoice.series, at)
        numbers[invoice.series] += 1
        invoice.year, invoice.number, invoice.issued_at = at.astimezone(UTC).year, numbers[invoice.series], at
        _name_both(invoice)
        invoices.append(invoice)
        lines += number_lines(invoice, draft.lines)
    Invoice.objects.bulk_create(invoices)
    InvoiceLine.objects.bulk_create(lines)
    if invoices:
        logger.info("invoices.issued", extra={"count": len(invoices)})
    return len(invoices)


def _first_unsettled(ends_at: datetime) -> datetime:
    """Where to begin: at the newest month that was settled, however long ago that is, or else at the first release.

    The last months are looked at again in any case.
    """
    settled = Invoice.objects.filter(series=Invoice.Series.SETTLEMENT).aggregate(last=Max("period_from"))["last"]
    if settled is None:
        released = Transfer.objects.filter(kind=Transfer.Kind.RELEASE, reference__isnull=False)
        settled = released.aggregate(first=Min("at"))["first"] or ends_at
    starts_at = ends_at
    for _ in range(MONTHS_BACK):
        starts_at = _month_start(starts_at - timedelta(days=1))
    return min(starts_at, _month_start(settled))


def _last_number(series: str, at: datetime) -> int:
    issued = Invoice.objects.filter(series=series, year=at.astimezone(UTC).year)
    return issued.aggregate(last=Max("number"))["last"] or 0


def _name_both(invoice: Invoice) -> None:
    """A credit note goes to whom the invoice went, whatever was declared or erased since."""
    invoice.issuer_name, invoice.issuer_address = settings.MARKET_NAME, settings.MARKET_ADDRESS
    invoice.issuer_country, invoice.issuer_vat_id = settings.MARKET_COUNTRY, settings.MARKET_VAT_ID
    source = invoice.corrects
    if source is not None:
        for name in ("recipient_name", "recipient_address", "recipient_country", "recipient_vat_id", "evidence"):
            setattr(invoice, name, getattr(source, name))
        return
    known = particulars_of(invoice.recipient)
    invoice.recipient_name, invoice.recipient_address = known.name, known.address
    invoice.recipient_country, invoice.recipient_vat_id = known.country, known.vat_id
    invoice.evidence = [list(fact) for fact in known.evidence]


def _wait_for_turn() -> None:
    """Until the running transaction ends nobody else takes a number."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ISSUING])


def _month_start(at: datetime) -> datetime:
    at = at.astimezone(UTC)
    return datetime(at.year, at.month, 1, tzinfo=UTC)
