"""Check for anybody whether a download is what devices signed, as `python -m devices.verify` does."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from devices.origin_verdict import FAILED, CheckStopped, OriginVerdict
from devices.verifying import check_download
from ledger.errors import LedgerError
from ledger.policy import LogPolicy
from ledger.services import log_policy
from marketplace.web.forms.origin import LARGEST_UPLOAD, OriginForm
from marketplace.web.requests import announced_size, is_too_often
from marketplace.web.seals import SealState

PAGE = "origin/verify.html"
CHECKS_A_MINUTE = 20


@dataclass(frozen=True, slots=True)
class OriginOutcome:
    verdict: OriginVerdict
    is_our_policy: bool

    @property
    def state(self) -> SealState:
        if self.verdict.is_bad:
            return "broken"
        return "final" if self.verdict.is_final else "signed"

    @property
    def first_failure(self) -> str:
        return next((said.sentence for said in self.verdict.statements if said.mark == FAILED), "")


# As on the page that checks receipts: nothing is changed here, and what is sent is not read before its size is seen.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def origin_verification(request: HttpRequest) -> HttpResponse:
    if request.method != "POST":
        return _answer(request, HTTPStatus.OK, form=OriginForm())
    if is_too_often(request, "origin-verification", CHECKS_A_MINUTE):
        return render(request, "429.html", status=HTTPStatus.TOO_MANY_REQUESTS)
    if announced_size(request) > LARGEST_UPLOAD:
        return _answer(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, form=OriginForm(), is_too_large=True)
    form = OriginForm(request.POST, request.FILES)
    if not form.is_valid():
        return _answer(request, HTTPStatus.UNPROCESSABLE_ENTITY, form=form)
    outcome = _check(form)
    status = HTTPStatus.UNPROCESSABLE_ENTITY if outcome.verdict.is_bad else HTTPStatus.OK
    again = OriginForm(initial={name: form.data.get(name, "") for name in ("policy", "received_until")})
    return _answer(request, status, form=again, outcome=outcome, verdict=outcome.verdict)


def _check(form: OriginForm) -> OriginOutcome:
    outcome = OriginOutcome(OriginVerdict(), is_our_policy=not form.policy_text)
    sent = form.cleaned_data
    try:
        check_download(
            outcome.verdict,
            sent["download"].file,
            sent["evidence"].file,
            policy=_policy(form),
            received_until=sent["received_until"],
        )
    except CheckStopped as error:
        outcome.verdict.is_bad = True
        outcome.verdict.say(FAILED, str(error))
    return outcome


def _policy(form: OriginForm) -> LogPolicy:
    try:
        return LogPolicy.parse(form.policy_text) if form.policy_text else log_policy()
    except LedgerError as error:
        raise CheckStopped(f"The policy cannot be used: {error}") from error


def _answer(request: HttpRequest, status: HTTPStatus, **context: Any) -> HttpResponse:
    return render(request, PAGE, context, status=status)
