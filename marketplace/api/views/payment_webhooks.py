"""Where payment providers tell what happened. Known by their signature alone: no cookie and no key counts here."""

from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from marketplace.api.problems import problem_http_response
from marketplace.purchases.ordering import fill_orders
from marketplace.wallet.errors import ProviderUnknown
from marketplace.wallet.gateway.errors import EventUnreadable, SignatureRefused
from marketplace.wallet.gateway.services import SIGNATURE_HEADERS, receive_webhook

MOST_BYTES = 256 * 1024


@csrf_exempt
@require_POST
def payment_webhook(request: HttpRequest, provider: str) -> HttpResponse:
    """Answer 200 as soon as the event is kept, whatever kind it is; 400 to whoever did not sign it."""
    header = SIGNATURE_HEADERS.get(provider)
    if header is None:
        return _refuse(HTTPStatus.NOT_FOUND, ProviderUnknown())
    try:
        body = request.read(MOST_BYTES + 1)
        if len(body) > MOST_BYTES:
            return _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, EventUnreadable("The body has too many bytes."))
        signature = request.headers.get(header, "")
        receive_webhook(provider=provider, body=body, signature=signature, at=timezone.now())
        # What waits for this money is bought before the person is back; the sweep would do it, too.
        fill_orders(at=timezone.now())
    except ProviderUnknown as error:
        return _refuse(HTTPStatus.NOT_FOUND, error)
    except (SignatureRefused, EventUnreadable) as error:
        return _refuse(HTTPStatus.BAD_REQUEST, error)
    except UnreadablePostError:
        return _refuse(HTTPStatus.BAD_REQUEST, EventUnreadable("The body broke off."))
    return HttpResponse(status=HTTPStatus.OK)


def _refuse(status: HTTPStatus, error: ProviderUnknown | SignatureRefused | EventUnreadable) -> HttpResponse:
    return problem_http_response(status=status, code=error.code, detail=str(error))
