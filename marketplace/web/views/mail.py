"""The mail page, which exists in the embedded run only: on a real server it would show everyone's letters."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from marketplace.web.mailbox import find_mail, read_mailbox

MAILS_SHOWN = 50
P = ParamSpec("P")


def embedded_only(view: Callable[Concatenate[HttpRequest, P], HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not settings.IS_EMBEDDED:
            raise Http404
        return view(request, *args, **kwargs)

    return answer


@require_safe
@embedded_only
@never_cache
def mail_list(request: HttpRequest) -> HttpResponse:
    return render(request, "mail/list.html", {"mails": read_mailbox(settings.MAIL_FOLDER, limit=MAILS_SHOWN)})


@require_safe
@embedded_only
@never_cache
def mail_page(request: HttpRequest, name: str) -> HttpResponse:
    mail = find_mail(settings.MAIL_FOLDER, name)
    if mail is None:
        raise Http404
    return render(request, "mail/page.html", {"mail": mail})
