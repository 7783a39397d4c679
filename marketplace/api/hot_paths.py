"""Addresses that machines call all the time, answered before everything that only people's pages need.

Sessions, CSRF, messages, htmx and the walk through all URL patterns cost an upload a fifth of its time. These views use
none of them: no cookie counts here, and the sender is known by the signature of what he sends.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from marketplace.api.views.devices import device_batches

HOT_VIEWS = {"device_batches_upload": device_batches}


class HotPathMiddleware:
    """Stands right behind SecurityMiddleware, whose redirect to HTTPS and whose headers hold for every answer."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.view_of_path = {reverse(name): view for name, view in HOT_VIEWS.items()}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = self.view_of_path.get(request.path_info)
        if view is None:
            return self.get_response(request)
        response = view(request)
        response.headers["Content-Length"] = str(len(response.content))
        return response
