from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from ledger.models import Entry
from ledger.services import final_size, kinds_in
from marketplace.web.forms.log import EntryFilterForm
from marketplace.web.log.entry_page import entry_context
from marketplace.web.log.figures import log_figures
from marketplace.web.records import recorded_seal

PAGE_SIZE = 50


@require_safe
def log_explorer(request: HttpRequest) -> HttpResponse:
    """The log as anybody may look through it: its head, its witnesses, and every entry, newest first."""
    kinds = kinds_in(Entry._meta.db_table)
    form = EntryFilterForm(request.GET or None, kinds=kinds)
    found = list(form.matching(Entry.objects.defer("body"))[: PAGE_SIZE + 1])
    final = final_size()
    context = {
        "figures": log_figures(timezone.now()),
        "form": form,
        "rows": [(entry, recorded_seal(entry.index, is_final=entry.index < final)) for entry in found[:PAGE_SIZE]],
        "next_before": found[PAGE_SIZE - 1].index if len(found) > PAGE_SIZE else None,
        "is_filtered": form.is_filtered,
    }
    return render(request, "log/explorer.html", context, status=200 if form.is_valid() or not form.is_bound else 422)


@require_safe
def log_entry(request: HttpRequest, index: int) -> HttpResponse:
    """Anybody may see any entry, recomputed down to its bytes: no personal data is in the log."""
    entry = get_object_or_404(Entry, index=index)
    return render(request, "log/entry.html", entry_context(entry, timezone.now()))
