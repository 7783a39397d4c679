from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from ledger.inspection import inspect_entry
from ledger.models import Entry
from ledger.services import final_size


@require_safe
def log_entry(request: HttpRequest, index: int) -> HttpResponse:
    """Anybody may see any entry, recomputed down to its bytes: no personal data is in the log."""
    entry = get_object_or_404(Entry, index=index)
    inspection = inspect_entry(entry)
    is_final = inspection.is_good and entry.index < final_size()
    return render(request, "log/entry.html", {"entry": entry, "inspection": inspection, "is_final": is_final})
