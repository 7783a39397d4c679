from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from ledger.verdicts import EntryMissing
from marketplace.web.forms.log import LARGEST_UPLOAD, ReceiptForm
from marketplace.web.log.checking import check_sent
from marketplace.web.requests import announced_size, is_too_often

PAGE = "log/verify.html"
CHECKS_A_MINUTE = 60


# Nothing is changed here, so a foreign site gains nothing; and the check for it would read everything that is sent
# before its size is looked at.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def log_verification(request: HttpRequest) -> HttpResponse:
    """Check a receipt for anybody, step by step, as `python -m ledger.verify` does. What is sent is not kept."""
    if request.method != "POST":
        return _answer(request, HTTPStatus.OK, form=ReceiptForm())
    if is_too_often(request, "log-verification", CHECKS_A_MINUTE):
        return render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)
    if announced_size(request) > LARGEST_UPLOAD:
        # Not read, so not even a temporary file is made of it.
        return _answer(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, form=ReceiptForm(), is_too_large=True)
    form = ReceiptForm(request.POST, request.FILES)
    if not form.is_valid():
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, form=form)
    try:
        outcome = check_sent(form)
    except EntryMissing:
        form.add_error("entry", "This receipt does not carry its entry: choose the file with the entry's bytes too.")
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, form=form)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if outcome.failed else HTTPStatus.OK
    # What is wrong in a pasted text can be mended where it stands.
    kept = ("policy", "receipt_text") if outcome.failed else ("policy",)
    again = ReceiptForm(initial={name: form.cleaned_data[name] for name in kept})
    return _answer(request, status, form=again, outcome=outcome, verdict=outcome.verdict)


def _answer(request: HttpRequest, status: HTTPStatus, **context: Any) -> HttpResponse:
    return render(request, PAGE, {**context, "most": LARGEST_UPLOAD}, status=status)
