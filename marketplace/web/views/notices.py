"""The inbox, which letters a person wants, and the link in a letter that ends them."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from marketplace.notices.errors import NoticesError
from marketplace.notices.kinds import LABELS, NoticeKind
from marketplace.notices.models import Notice
from marketplace.notices.services import (
    choose_mailed_kinds,
    mark_all_read,
    mark_read,
    mark_unread,
    mute_by_link,
    muted_kinds,
    read_unsubscribe_link,
    words_of,
)
from marketplace.web.forms.notices import MailForm
from marketplace.web.notice_targets import target_of
from marketplace.web.paging import page_by_time
from marketplace.web.replies import reply_invalid
from marketplace.web.requests import OwnerRequest, own_address, post_only

ROWS_A_PAGE = 30
SETTINGS, SETTINGS_FORM = "notices/settings.html", "notices/_settings_form.html"
UNSUBSCRIPTION = "notices/unsubscription.html"


@require_safe
@login_required
def notice_list(request: OwnerRequest) -> HttpResponse:
    own = Notice.objects.for_person(request.user)
    kind = request.GET.get("kind", "")
    chosen = own.filter(kind=kind) if kind in set(NoticeKind) else own
    if request.GET.get("show") == "unread":
        chosen = chosen.unread()
    page = page_by_time(chosen, column="at", mark=request.GET.get("from", ""), size=ROWS_A_PAGE)
    context = {
        "rows": [{"notice": notice, "words": words_of(notice)} for notice in page.rows],
        "page": page,
        "kinds": [(name.value, LABELS[name]) for name in NoticeKind],
        "kind": kind if kind in set(NoticeKind) else "",
        "is_unread_only": request.GET.get("show") == "unread",
        "has_any": bool(page.rows) or own.exists(),
    }
    return render(request, "notices/inbox.html", context)


@require_safe
@login_required
@never_cache
def notice_opening(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """Lead to what the notice is about, and count it as read."""
    notice = own_notice(request, public_id)
    mark_read(notice=notice, at=timezone.now())
    return redirect(target_of(notice, request.user))


@post_only("notice_opening")
@login_required
def notice_reading(request: OwnerRequest, public_id: UUID) -> HttpResponse:
    """Mark one notice as read, or with state=unread as not read."""
    notice = own_notice(request, public_id)
    if request.POST.get("state") == "unread":
        mark_unread(notice=notice)
    else:
        mark_read(notice=notice, at=timezone.now())
    return back_to_inbox(request)


@post_only("notice_list")
@login_required
def notices_reading(request: OwnerRequest) -> HttpResponse:
    mark_all_read(user=request.user, at=timezone.now())
    return back_to_inbox(request)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notice_settings(request: OwnerRequest) -> HttpResponse:
    if request.method != "POST":
        return render(request, SETTINGS, {"form": MailForm.of(muted_kinds(request.user))})
    form = MailForm(request.POST)
    if not form.is_valid():
        return reply_invalid(request, page=SETTINGS, fragment=SETTINGS_FORM, context={"form": form})
    choose_mailed_kinds(user=request.user, kinds=form.chosen_kinds(), at=timezone.now())
    messages.success(request, "Your choice of letters is saved.")
    return redirect("notice_settings")


# The token is the authority, and a mail program that posts has no cookie of ours.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def mail_unsubscription(request: HttpRequest, token: str) -> HttpResponse:
    """RFC 8058: GET asks, POST ends the letters of one kind, without a log-in."""
    try:
        if request.method == "POST":
            kind, is_done = mute_by_link(token=token, at=timezone.now()), True
        else:
            kind, is_done = read_unsubscribe_link(token)[1], False
    except NoticesError as error:
        return render(request, UNSUBSCRIPTION, {"refusal": error}, status=410)
    return render(request, UNSUBSCRIPTION, {"label": LABELS[kind], "is_done": is_done})


def own_notice(request: OwnerRequest, public_id: UUID) -> Notice:
    return get_object_or_404(Notice.objects.for_person(request.user), public_id=public_id)


def back_to_inbox(request: HttpRequest) -> HttpResponse:
    """The same part of the inbox as before."""
    return redirect(own_address(request, request.POST.get("next", "")) or "notice_list")
