"""Operators look at disputes and decide them. Nothing else can be changed there."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from marketplace.accounts.models import User
from marketplace.disputes.models import Dispute
from marketplace.disputes.services import LONGEST_TEXT, decide_dispute
from marketplace.errors import MarketError
from marketplace.readonly import ReadOnlyAdmin
from marketplace.wallet.units import MICROS_PER_UNIT


class DecisionForm(forms.Form):
    refund = forms.DecimalField(
        label="Refund to the buyer",
        min_value=Decimal(0),
        max_digits=12,
        decimal_places=2,
        help_text="0 for none. The rest of what is on hold is released to the owner at once.",
    )
    ends_access = forms.BooleanField(label="End the buyer's access", required=False)
    text = forms.CharField(
        label="Why, for both sides", max_length=LONGEST_TEXT, widget=forms.Textarea(attrs={"rows": 6, "cols": 70})
    )

    @property
    def refund_micros(self) -> int:
        return int(self.cleaned_data["refund"] * MICROS_PER_UNIT)


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "listing", "reason", "opened_at", "answered_at", "decided_at", "closed_at", "ruling")
    list_filter = (
        ("decided_at", admin.EmptyFieldListFilter),
        ("closed_at", admin.EmptyFieldListFilter),
        ("answered_at", admin.EmptyFieldListFilter),
        "reason",
        "ruling",
    )
    list_select_related = ("purchase__listing",)
    date_hierarchy = "opened_at"
    search_fields = ("=public_id", "=purchase__public_id", "=entry_id", "purchase__listing__title")
    change_form_template = "admin/disputes/change_form.html"

    @admin.display(ordering="purchase__listing__title")
    def listing(self, dispute: Dispute) -> str:
        return dispute.purchase.listing.title

    def get_urls(self) -> list[URLPattern]:
        decision = path(
            "<int:pk>/decision/", self.admin_site.admin_view(self.decision_view), name="disputes_dispute_decision"
        )
        return [decision, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        may_decide = request.user.has_perm("disputes.decide_dispute")
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "may_decide": may_decide})

    def decision_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET shows what was said and asks, POST decides."""
        if not request.user.has_perm("disputes.decide_dispute"):
            raise PermissionDenied
        parts = "purchase__listing__seller", "purchase__buyer", "purchase__plan"
        dispute = get_object_or_404(Dispute.objects.select_related(*parts), pk=pk)
        form = DecisionForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid() and self._decide(request, dispute, form):
            messages.success(request, "The dispute is decided. Both sides are told.")
            return redirect(reverse("admin:disputes_dispute_change", args=[pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": "Decide a dispute",
            "dispute": dispute,
            "purchase": dispute.purchase,
            "form": form,
            "is_due": dispute.may_be_decided(timezone.now()),
        }
        status = 422 if form.errors else 200
        return TemplateResponse(request, "admin/disputes/decision.html", context, status=status)

    def _decide(self, request: HttpRequest, dispute: Dispute, form: DecisionForm) -> bool:
        try:
            decide_dispute(
                dispute=dispute,
                by=cast(User, request.user),
                refund_micros=form.refund_micros,
                ends_access=form.cleaned_data["ends_access"],
                text=form.cleaned_data["text"],
                at=timezone.now(),
            )
        except MarketError as error:
            form.add_error(None, f"{error} Code: {error.code}")
            return False
        return True
