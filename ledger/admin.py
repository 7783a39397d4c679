"""The auditor's view of the log. Everything can be opened down to the bytes; nothing can be changed, by anyone."""

from __future__ import annotations

import logging
from datetime import UTC
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from ledger.admin_audits import ask_for_audit
from ledger.admin_base import ReadOnlyAdmin
from ledger.admin_comparison import comparison_view, reconciliation_view
from ledger.admin_evidence import EvidenceView
from ledger.admin_filters import KindFilter, SignedRangeFilter, SubmittedRangeFilter, TimeRangeFilter
from ledger.entries import at_text
from ledger.inspection import inspect_entry, refusal_of
from ledger.models import AuditRun, Checkpoint, Entry, OutboxRow

logger = logging.getLogger(__name__)


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    list_display = ["index", "kind", "recorded_at", "references", "leaf"]
    list_filter = [KindFilter, TimeRangeFilter]
    ordering = ["-index"]
    # Only shows the box: what is looked for is decided in get_search_results.
    search_fields = ["refs"]
    search_help_text = "An index, the id of an entry, or a reference"
    change_list_template = "admin/ledger/change_list.html"
    change_form_template = "admin/ledger/entry/change_form.html"

    @admin.display(description="at (UTC)", ordering="at")
    def recorded_at(self, entry: Entry) -> str:
        return f"{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"

    @admin.display(description="references")
    def references(self, entry: Entry) -> str:
        return ", ".join(entry.refs) or "–"

    @admin.display(description="leaf hash")
    def leaf(self, entry: Entry) -> str:
        return f"{bytes(entry.leaf_hash).hex()[:16]}…"

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Every way of searching uses an index."""
        term = search_term.strip()
        return (queryset.filter(_matching(term)) if term else queryset), False

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("verification/", wrap(self.verification_view), name="ledger_verification"),
            path("reconciliation/", wrap(reconciliation_view), name="ledger_reconciliation"),
            path("comparison/", wrap(comparison_view), name="ledger_comparison"),
            *EvidenceView(self.admin_site).urls,
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        entry = self.get_object(request, object_id)
        if entry is None or not self.has_view_permission(request, entry):
            return super().change_view(request, object_id, form_url, extra_context)
        logger.info("ledger.entry_opened", extra={"index": entry.index, "user_id": request.user.pk})
        context = {
            "title": f"Entry {entry.index}",
            "subtitle": None,
            "entry": entry,
            "entry_at": at_text(entry.at),
            "inspection": inspect_entry(entry),
        }
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def verification_view(self, request: HttpRequest) -> HttpResponse:
        """GET says what will be checked and lists what was; POST asks for an audit, which a worker does."""
        if not request.user.has_perm("ledger.verify_log"):
            raise PermissionDenied
        if request.method == "POST":
            return ask_for_audit(request)
        context = {**self.admin_site.each_context(request), "title": "Verify the whole log", "media": self.media}
        context["runs"] = AuditRun.objects.order_by("-pk")[:10]
        return TemplateResponse(request, "admin/ledger/verification.html", context)


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin):
    list_display = ["size", "root", "signed_at", "comparison"]
    list_filter = [SignedRangeFilter]
    ordering = ["-size"]
    search_fields = ["size"]
    search_help_text = "A size, or a root hash in hex"
    fields = ["size", "root_hex", "signed_at", "signed_note", "comparison"]
    readonly_fields = ["root_hex", "signed_note", "comparison"]
    change_list_template = "admin/ledger/checkpoint_list.html"

    @admin.display(description="root hash")
    def root(self, checkpoint: Checkpoint) -> str:
        return f"{bytes(checkpoint.root_hash).hex()[:16]}…"

    @admin.display(description="root hash")
    def root_hex(self, checkpoint: Checkpoint) -> str:
        return bytes(checkpoint.root_hash).hex()

    @admin.display(description="compare")
    def comparison(self, checkpoint: Checkpoint) -> str:
        address = f"{reverse('admin:ledger_comparison')}?first={checkpoint.size}"
        return format_html('<a href="{}">Compare with another</a>', address)

    @admin.display(description="signed note")
    def signed_note(self, checkpoint: Checkpoint) -> str:
        return checkpoint.note

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = Q(size=int(term)) if _is_number(term) else Q(root_hash=_hash_of(term) or b"")
        return queryset.filter(wanted), False


@admin.register(OutboxRow)
class OutboxRowAdmin(ReadOnlyAdmin):
    list_display = ["id", "kind", "entry_id", "submitted_at", "state"]
    list_filter = [KindFilter, SubmittedRangeFilter]
    ordering = ["id"]
    search_fields = ["kind"]
    search_help_text = "The id of an entry, or the key of what it records"
    fields = ["kind", "key", "entry_id", "submitted_at", "state", "text"]
    readonly_fields = ["state", "text"]

    @admin.display(description="state")
    def state(self, row: OutboxRow) -> str:
        refusal = refusal_of(row)
        return f"Blocks the log: {refusal}" if refusal else "Waits"

    @admin.display(description="canonical bytes")
    def text(self, row: OutboxRow) -> str:
        return bytes(row.body).decode(errors="replace")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        wanted = _uuid_of(term)
        return (queryset.filter(Q(entry_id=wanted) | Q(key=wanted)) if wanted else queryset.none()), False


def _matching(term: str) -> Q:
    wanted = Q(refs__contains=[term])
    if _is_number(term):
        wanted |= Q(index=int(term))
    if entry_id := _uuid_of(term):
        wanted |= Q(entry_id=entry_id) | Q(refs__contains=[str(entry_id)])
    return wanted


def _is_number(term: str) -> bool:
    return term.isascii() and term.isdigit() and len(term) <= 18


def _uuid_of(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


def _hash_of(term: str) -> bytes | None:
    try:
        found = bytes.fromhex(term)
    except ValueError:
        return None
    return found if len(found) == 32 else None
