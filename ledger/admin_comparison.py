"""The auditor's tools: compare two checkpoints, and hold rows against entries."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse

from ledger.comparison import compare_checkpoints, signed_head
from ledger.errors import LedgerError
from ledger.models import Checkpoint
from ledger.reconciliation import kinds_without_source, reconcile

MOST_OFFERED = 50
SIDES = ("first", "second")


class ComparisonForm(forms.Form):
    """Two checkpoints, each of them chosen by its size or pasted."""

    first = forms.CharField(label="Size of a stored checkpoint", required=False, max_length=18)
    first_note = forms.CharField(label="Or one from elsewhere, with its signatures", required=False)
    second = forms.CharField(label="Size of a stored checkpoint", required=False, max_length=18)
    second_note = forms.CharField(label="Or one from elsewhere, with its signatures", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for side in SIDES:
            self.fields[side].widget.attrs.update({"inputmode": "numeric", "list": "signed-sizes"})
            self.fields[f"{side}_note"].widget = forms.Textarea({"rows": 6, "spellcheck": "false"})

    def clean(self) -> dict[str, Any]:
        for side in SIDES:
            if not {side, f"{side}_note"} & set(self.errors):
                self._clean_side(side)
        return self.cleaned_data

    def _clean_side(self, side: str) -> None:
        size, pasted = self.cleaned_data[side], self.cleaned_data[f"{side}_note"]
        if size and pasted:
            self.add_error(f"{side}_note", "Choose a stored checkpoint or paste one, not both: empty one of the two.")
        elif pasted:
            self._clean_pasted(f"{side}_note", pasted.replace("\r\n", "\n") + "\n")
        elif not size:
            self.add_error(side, "Give the size of a stored checkpoint, or paste one below.")
        elif not (note := _stored_note(size)):
            self.add_error(side, f"No checkpoint of size {size} was signed.")
        else:
            self.cleaned_data[f"{side}_note"] = note

    def _clean_pasted(self, field: str, note: str) -> None:
        try:
            signed_head(note)
        except LedgerError as error:
            self.add_error(field, f"{error} ({error.code})")
        else:
            self.cleaned_data[field] = note

    @property
    def sides(self) -> list[tuple[str, list[forms.BoundField]]]:
        return [(side.title(), [self[side], self[f"{side}_note"]]) for side in SIDES]


def comparison_view(request: HttpRequest) -> HttpResponse:
    """Nothing is written, so a POST is safe here; it takes notes that are too long for an address."""
    if not request.user.has_perm("ledger.view_checkpoint"):
        raise PermissionDenied
    if request.method not in {"GET", "HEAD", "POST"}:
        return HttpResponseNotAllowed(["GET", "POST"])
    asked = request.POST if request.method == "POST" else request.GET
    # A link from a checkpoint names one side only: the other one is still to be chosen.
    is_asked = request.method == "POST" or all(asked.get(side) or asked.get(f"{side}_note") for side in SIDES)
    form = ComparisonForm(asked) if is_asked else ComparisonForm(initial={side: asked.get(side, "") for side in SIDES})
    context = {
        **admin.site.each_context(request),
        "title": "Compare two checkpoints",
        "form": form,
        "sizes": Checkpoint.objects.order_by("-size").values_list("size", flat=True)[:MOST_OFFERED],
    }
    if is_asked and form.is_valid():
        context["comparison"] = compare_checkpoints(*(form.cleaned_data[f"{side}_note"] for side in SIDES))
    status = 422 if form.errors else 200
    return TemplateResponse(request, "admin/ledger/comparison.html", context, status=status)


def reconciliation_view(request: HttpRequest) -> HttpResponse:
    if not request.user.has_perm("ledger.verify_log"):
        raise PermissionDenied
    context = {
        **admin.site.each_context(request),
        "title": "Rows and entries",
        "found": reconcile(),
        "others": kinds_without_source(),
    }
    return TemplateResponse(request, "admin/ledger/reconciliation.html", context)


def _stored_note(size: str) -> str:
    if not (size.isascii() and size.isdigit()):
        return ""
    return Checkpoint.objects.filter(size=int(size)).values_list("note", flat=True).first() or ""
