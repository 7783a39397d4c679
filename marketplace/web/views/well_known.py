"""What programs ask every site for, whatever its pages say."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.http import require_safe

_CLOSED = ("account", "accounts", "admin", "api", "data", "delta-sharing", "my", "oauth", "purchases", "wallet")
ROBOTS = "User-agent: *\n" + "".join(f"Disallow: /{folder}/\n" for folder in _CLOSED)


@require_safe
def favicon(request: HttpRequest) -> HttpResponse:
    return redirect(static("icon.svg"))


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    site_map = request.build_absolute_uri(reverse("sitemap"))
    return HttpResponse(f"{ROBOTS}Sitemap: {site_map}\n", content_type="text/plain")
