from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ledger.models import Entry
from ledger.services import kinds_in
from marketplace.web.forms.log import EntryFilterForm
from marketplace.web.log.entry_page import entry_context
from marketplace.web.log.figures import RATES, log_figures, rate_buttons, rate_chart
from marketplace.web.records import recorded_seal
from marketplace.web.replies import UNPROCESSABLE

PAGE_SIZE = 25
EXAMPLE = """\
from tlog_scales.backend import HttpBackend
from tlog_scales.reader import TilesReader

reader = TilesReader(HttpBackend("{address}"))
checkpoint = reader.get_checkpoint()
root = reader.calculate_root_hash()
print(checkpoint.size, root == checkpoint.root_hash)
"""


@require_safe
def log_explorer(request: HttpRequest) -> HttpResponse:
    """The log as anybody may look through it: its head, its witnesses, and every entry, newest first."""
    now = timezone.now()
    form = EntryFilterForm(request.GET or None, kinds=kinds_in(Entry._meta.db_table))
    number = form.chosen.get("entry")
    if number is not None and Entry.objects.filter(index=number).exists():
        return redirect("log_entry", number)
    if number is not None:
        form.add_error("entry", f"There is no entry {number:,}.")
    figures = log_figures(now)
    rate = RATES.get(request.GET.get("rate", ""), RATES["day"])
    context = {
        "figures": figures,
        "chart": rate_chart(rate, now),
        "rate": rate,
        "ranges": rate_buttons(rate, request.GET),
        "form": form,
        "example": EXAMPLE.format(address=request.build_absolute_uri(request.path).rstrip("/")),
        **entry_rows(form, figures.final_size),
    }
    is_refused = form.is_bound and not form.is_valid()
    return render(request, "log/explorer.html", context, status=UNPROCESSABLE if is_refused else 200)


def entry_rows(form: EntryFilterForm, final: int) -> dict[str, Any]:
    """One page of entries. next_before: the number where the next page starts, None on the last one."""
    found = list(form.matching(Entry.objects.defer("body"))[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    return {
        "rows": [(entry, recorded_seal(entry.index, is_final=entry.index < final)) for entry in shown],
        "next_before": shown[-1].index if len(found) > PAGE_SIZE else None,
        "is_filtered": form.is_filtered,
        "is_later_page": form.chosen.get("before") is not None,
    }


@require_safe
def log_entry(request: HttpRequest, index: int) -> HttpResponse:
    """Anybody may see any entry, recomputed down to its bytes: no personal data is in the log."""
    entry = get_object_or_404(Entry, index=index)
    return render(request, "log/entry.html", entry_context(entry, timezone.now()))
