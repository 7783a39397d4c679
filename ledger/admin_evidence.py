"""Evidence packs for auditors to take away."""

from __future__ import annotations

import tempfile
from typing import Any, BinaryIO, cast

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from ledger.errors import LedgerError
from ledger.evidence import MOST_ENTRIES, write_evidence
from ledger.kinds import kinds_in
from ledger.models import Entry, LogHead

LARGEST_INDEX = 2**63 - 1
IN_MEMORY = 8 * 1024 * 1024


class EvidenceForm(forms.Form):
    """Which entries: by place, kind and reference, each optional."""

    first = forms.IntegerField(label="From entry", required=False, min_value=0, max_value=LARGEST_INDEX)
    last = forms.IntegerField(label="To entry, included", required=False, min_value=0, max_value=LARGEST_INDEX)
    kind = forms.ChoiceField(label="Kind", required=False)
    reference = forms.CharField(label="With this reference or handle", required=False, max_length=128)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = kinds_in(Entry._meta.db_table)
        field = self.fields["kind"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Every kind"), *((kind, kind) for kind in kinds)]

    def indices(self) -> list[int]:
        """Return what is chosen, rising; one more than a pack may hold at most."""
        chosen = self.cleaned_data
        entries = Entry.objects.order_by("index")
        if chosen["first"] is not None:
            entries = entries.filter(index__gte=chosen["first"])
        if chosen["last"] is not None:
            entries = entries.filter(index__lte=chosen["last"])
        if chosen["kind"]:
            entries = entries.filter(kind=chosen["kind"])
        if chosen["reference"]:
            entries = entries.filter(refs__contains=[chosen["reference"].strip()])
        return list(entries.values_list("index", flat=True)[: MOST_ENTRIES + 1])


class EvidenceView:
    def __init__(self, site: AdminSite) -> None:
        self.site = site

    @property
    def urls(self) -> list[URLPattern]:
        return [path("evidence/", self.site.admin_view(self.answer), name="ledger_evidence")]

    def answer(self, request: HttpRequest) -> HttpResponse | FileResponse:
        """GET asks which entries; POST gives the pack. It changes nothing."""
        if not request.user.has_perm("ledger.verify_log"):
            raise PermissionDenied
        if request.method not in {"GET", "HEAD", "POST"}:
            return HttpResponseNotAllowed(["GET", "POST"])
        form = EvidenceForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            # Not closed here: the response reads it to its end and closes it.
            file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the response closes it
            try:
                write_evidence(cast(BinaryIO, file), form.indices())
            except LedgerError as error:
                file.close()
                form.add_error(None, f"{error} ({error.code})")
            else:
                file.seek(0)
                name = f"evidence-{timezone.now():%Y%m%dT%H%M%SZ}.zip"
                return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")
        context = {
            **self.site.each_context(request),
            "title": "Evidence pack",
            "form": form,
            "size": LogHead.objects.values_list("size", flat=True).get(pk=1),
            "most": MOST_ENTRIES,
        }
        return TemplateResponse(request, "admin/ledger/evidence.html", context, status=422 if form.is_bound else 200)
