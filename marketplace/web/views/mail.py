from django.http import Http404, HttpRequest, HttpResponse


def mail_list(request: HttpRequest) -> HttpResponse:
    raise Http404


def mail_page(request: HttpRequest, name: str) -> HttpResponse:
    raise Http404
