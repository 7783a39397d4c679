"""A person's webhooks: where programs are told, what was delivered, and again what was not."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from marketplace.errors import MarketError
from marketplace.notices.errors import NoticesError
from marketplace.notices.kinds import LABELS, NoticeKind
from marketplace.notices.models import WebhookDelivery, WebhookEndpoint
from marketplace.notices.services import (
    add_webhook,
    change_webhook,
    delete_webhook,
    enable_webhook,
    replay_delivery,
    rotate_webhook_secret,
    send_test_webhook,
)
from marketplace.web.forms.notices import WebhookForm
from marketplace.web.paging import page_by_time
from marketplace.web.requests import OwnerRequest, post_only

LIST, PAGE, CONFIRM = "notices/webhooks.html", "notices/webhook.html", "notices/webhook_confirm.html"
ROWS_A_PAGE = 30


@require_safe
@login_required
def webhook_list(request: OwnerRequest) -> HttpResponse:
    return render(request, LIST, list_context(request, WebhookForm()))


@post_only("webhook_list")
@login_required
@never_cache
def webhook_create(request: OwnerRequest) -> HttpResponse:
    """The answer itself shows the secret, once: a redirect would have to keep it somewhere."""
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            endpoint, secret = add_webhook(user=request.user, at=timezone.now(), **form.choices_made())
        except MarketError as error:
            form.add_error(None, str(error))
        else:
            return render(request, PAGE, page_context(request, endpoint, secret=secret))
    return render(request, LIST, list_context(request, form), status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def webhook_page(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """GET shows, POST changes the address and the kinds."""
    endpoint = own_webhook(request, public_id)
    if request.method != "POST":
        return render(request, PAGE, page_context(request, endpoint))
    form = WebhookForm(request.POST)
    if form.is_valid():
        try:
            change_webhook(endpoint=endpoint, **form.choices_made())
        except MarketError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The webhook is changed.")
            return redirect("webhook_page", public_id)
    return render(request, PAGE, page_context(request, endpoint, form=form), status=422)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
@never_cache
def webhook_rotation(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """GET asks, POST makes a new secret and shows it once."""
    endpoint = own_webhook(request, public_id)
    if request.method != "POST":
        return render(request, CONFIRM, {"endpoint": endpoint, "act": "rotation"})
    endpoint, secret = rotate_webhook_secret(endpoint=endpoint, at=timezone.now())
    return render(request, PAGE, page_context(request, endpoint, secret=secret))


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def webhook_deletion(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """GET asks, POST deletes."""
    endpoint = own_webhook(request, public_id)
    if request.method != "POST":
        return render(request, CONFIRM, {"endpoint": endpoint, "act": "deletion"})
    delete_webhook(endpoint=endpoint)
    messages.success(request, "The webhook is deleted. Nothing more is sent there.")
    return redirect("webhook_list")


@post_only("webhook_page")
@login_required
def webhook_test(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    try:
        send_test_webhook(endpoint=own_webhook(request, public_id), at=timezone.now())
        messages.success(request, "A test is on its way. Look at the deliveries in a moment.")
    except NoticesError as error:
        messages.error(request, str(error))
    return redirect("webhook_page", public_id)


@post_only("webhook_page")
@login_required
def webhook_activation(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    enable_webhook(endpoint=own_webhook(request, public_id))
    messages.success(request, "The webhook is switched on. Replay what it missed.")
    return redirect("webhook_page", public_id)


@post_only("webhook_page")
@login_required
def delivery_replay(request: OwnerRequest, public_id: UUID, delivery_id: UUID) -> HttpResponse:
    endpoint = own_webhook(request, public_id)
    delivery = get_object_or_404(WebhookDelivery.objects.filter(endpoint=endpoint), public_id=delivery_id)
    try:
        replay_delivery(delivery=delivery, at=timezone.now())
        messages.success(request, "It is on its way again.")
    except NoticesError as error:
        messages.error(request, str(error))
    return redirect("webhook_page", public_id)


def own_webhook(request: OwnerRequest, public_id: UUID) -> WebhookEndpoint:
    return get_object_or_404(WebhookEndpoint.objects.filter(user=request.user), public_id=public_id)


def list_context(request: OwnerRequest, form: WebhookForm) -> dict[str, Any]:
    return {"endpoints": list(WebhookEndpoint.objects.filter(user=request.user)), "form": form}


def page_context(
    request: OwnerRequest, endpoint: WebhookEndpoint, *, form: WebhookForm | None = None, secret: str = ""
) -> dict[str, Any]:
    deliveries = WebhookDelivery.objects.filter(endpoint=endpoint).select_related("notice").prefetch_related("attempts")
    page = page_by_time(deliveries, column="created_at", mark=request.GET.get("from", ""), size=ROWS_A_PAGE)
    rows = [{"delivery": one, "label": label_of(one), "attempts": list(one.attempts.all())} for one in page.rows]
    form = form or WebhookForm(initial={"url": endpoint.url, "kinds": endpoint.kinds})
    return {"endpoint": endpoint, "rows": rows, "page": page, "form": form, "secret": secret, "now": timezone.now()}


def label_of(delivery: WebhookDelivery) -> str:
    return LABELS[NoticeKind(delivery.notice.kind)] if delivery.notice else "Test"
