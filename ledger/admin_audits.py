"""Audits, witnesses, alarms, freezes and visits, for looking at; an audit can be asked for."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from ledger.admin_base import ReadOnlyAdmin
from ledger.audit_runs import report_of, request_audit
from ledger.errors import AuditAtWork, LedgerError
from ledger.models import Alarm, AuditRun, AuditVisit, LogFreeze, WitnessMemory


def ask_for_audit(request: HttpRequest) -> HttpResponse:
    """Called for those who may. While one is at work, that one is shown."""
    at_work = AuditRun.objects.filter(finished_at=None).first()
    if at_work is not None:
        messages.info(request, str(AuditAtWork()))
        return HttpResponseRedirect(_address_of(at_work))
    scope = AuditRun.Scope.INCREMENTAL if request.POST.get("scope") == "incremental" else AuditRun.Scope.FULL
    try:
        run = request_audit(scope=scope, by=request.user, at=timezone.now())
    except LedgerError as error:
        messages.error(request, str(error))
        return HttpResponseRedirect(reverse("admin:ledger_verification"))
    return HttpResponseRedirect(_address_of(run))


def _address_of(run: AuditRun) -> str:
    return reverse("admin:ledger_auditrun_change", args=[run.pk])


@admin.register(AuditRun)
class AuditRunAdmin(ReadOnlyAdmin):
    list_display = ["requested_at", "scope", "state", "size", "finding_count", "finished_at"]
    ordering = ["-pk"]
    change_form_template = "admin/ledger/auditrun/change_form.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.progress_view)
        return [path("<int:number>/progress/", view, name="ledger_auditrun_progress"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        if run is None or not self.has_view_permission(request, run):
            return super().change_view(request, object_id, form_url, extra_context)
        may_verify = request.user.has_perm("ledger.verify_log")
        context = {"title": "Audit of the log", "subtitle": None, "may_verify": may_verify, **_shown(run)}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def progress_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """The part of the page that asks for itself each second."""
        run = AuditRun.objects.filter(pk=number).first()
        if run is None or not self.has_view_permission(request, run):
            raise Http404
        return render(request, "admin/ledger/auditrun/_run.html", _shown(run))


def _shown(run: AuditRun) -> dict[str, Any]:
    return {"run": run, "report": report_of(run)}


@admin.register(WitnessMemory)
class WitnessMemoryAdmin(ReadOnlyAdmin):
    list_display = ["name", "state", "size", "answered_at", "sentence"]
    ordering = ["name"]


class EvidenceAdmin(ReadOnlyAdmin):
    """Down to the bytes: notes and hashes exactly as they came."""

    exclude = ["evidence"]
    readonly_fields = ["evidence_text"]

    @admin.display(description="evidence")
    def evidence_text(self, row: Alarm | LogFreeze) -> str:
        lines = []
        for name, value in row.evidence.items():
            lines.append(f"{name}:\n{value}" if isinstance(value, str) else f"{name}: {json.dumps(value, indent=1)}")
        return "\n\n".join(lines) or "none"


@admin.register(Alarm)
class AlarmAdmin(EvidenceAdmin):
    list_display = ["raised_at", "code", "witness_name", "sentence"]
    ordering = ["-pk"]


@admin.register(LogFreeze)
class LogFreezeAdmin(EvidenceAdmin):
    list_display = ["frozen_at", "code", "sentence", "lifted_at", "lifted_by"]
    ordering = ["-pk"]


@admin.register(AuditVisit)
class AuditVisitAdmin(ReadOnlyAdmin):
    """Who looked at what. Only operators see it: see marketplace.accounts.groups."""

    list_display = ["at", "visitor", "subject", "address"]
    ordering = ["-pk"]
    search_fields = ["visitor"]
    search_help_text = "The public id of an account"
