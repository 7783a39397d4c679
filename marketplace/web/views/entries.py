from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.http import parse_etags, quote_etag
from django.views.decorators.http import require_safe

from ledger.inspection import inspect_entry
from ledger.kinds import kinds_in
from ledger.models import Entry, StoredReceipt
from ledger.receipt_building import receipt_for
from ledger.services import final_size
from marketplace.web.forms.log import EntryFilterForm
from marketplace.web.log_figures import log_figures
from marketplace.web.records import recorded_seal

PAGE_SIZE = 50
KEPT_SECONDS = 31_536_000


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
    inspection = inspect_entry(entry)
    is_final = inspection.is_good and entry.index < final_size()
    context = {"entry": entry, "inspection": inspection, "is_final": is_final, "newest_index": newest_index()}
    return render(request, "log/entry.html", context)


@require_safe
def log_receipt(request: HttpRequest, index: int) -> HttpResponse:
    """The entry's receipt as a file. Public like the entry: whoever has it can show what was recorded, nothing more."""
    entry = get_object_or_404(Entry, index=index)
    text = receipt_for(entry, at=timezone.now())
    is_kept = StoredReceipt.objects.filter(pk=entry.index).exists()
    etag = quote_etag(f"{entry.index}-final")
    if is_kept and etag in parse_etags(request.headers.get("If-None-Match", "")):
        return HttpResponseNotModified(headers={"ETag": etag})
    response = HttpResponse(text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="entry-{entry.index}.tlog-proof"'
    if is_kept:
        response["ETag"] = etag
        patch_cache_control(response, public=True, max_age=KEPT_SECONDS, immutable=True)
    else:
        # It changes once, when enough witnesses have cosigned.
        patch_cache_control(response, no_store=True)
    return response


def newest_index() -> int:
    return Entry.objects.order_by("-index").values_list("index", flat=True).first() or 0
