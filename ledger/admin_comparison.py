"""The auditor's tools: compare two checkpoints, and hold rows against entries."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from ledger.comparison import compare_checkpoints
from ledger.kinds import kinds_in
from ledger.models import Checkpoint, Entry
from ledger.reconciliation import kinds_without_source, reconcile


def comparison_view(request: HttpRequest) -> HttpResponse:
    """Two stored sizes, or a stored one and a note that was pasted. Nothing is written, so a POST is safe here, too."""
    if not request.user.has_perm("ledger.view_checkpoint"):
        raise PermissionDenied
    asked = request.POST if request.method == "POST" else request.GET
    first, second, pasted = (asked.get(name, "").strip() for name in ("first", "second", "note"))
    context = {
        **admin.site.each_context(request),
        "title": "Compare two checkpoints",
        "first": first,
        "second": second,
        "pasted": pasted,
    }
    if first and (second or pasted):
        notes = [_stored_note(first), pasted.replace("\r\n", "\n") + "\n" if pasted else _stored_note(second)]
        missing = [size for size, note in zip((first, second), notes, strict=True) if not note]
        if missing:
            context["error"] = f"No checkpoint of size {', '.join(missing)} was signed."
        else:
            context["comparison"] = compare_checkpoints(*notes)
    return TemplateResponse(request, "admin/ledger/comparison.html", context)


def reconciliation_view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("ledger.verify_log"):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "Rows and entries",
        "differences": reconcile(),
        "others": kinds_without_source(),
        "erasures": "erasure.done" in kinds_in(Entry._meta.db_table),
    }
    return TemplateResponse(request, "admin/ledger/reconciliation.html", context)


def _stored_note(size: str) -> str:
    if not (size.isascii() and size.isdigit() and len(size) <= 18):
        return ""
    return Checkpoint.objects.filter(size=int(size)).values_list("note", flat=True).first() or ""
