from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from ledger.services import log_policy
from ledger.verdicts import CheckFailed, EntryMissing, Verdict, check_receipt
from marketplace.web.forms.log import ReceiptForm
from marketplace.web.requests import is_too_often

PAGE = "log/verify.html"
CHECKS_A_MINUTE = 60


@require_http_methods(["GET", "HEAD", "POST"])
def log_verification(request: HttpRequest) -> HttpResponse:
    """Check a receipt for anybody, step by step, as `python -m ledger.verify` does. What is sent is not kept."""
    if request.method != "POST":
        return render(request, PAGE, {"form": ReceiptForm()})
    if is_too_often(request, "log-verification", CHECKS_A_MINUTE):
        return render(request, "429.html", status=429)
    form = ReceiptForm(request.POST, request.FILES)
    if not form.is_valid():
        return render(request, PAGE, {"form": form}, status=422)
    verdict = Verdict()
    context = {"form": ReceiptForm(initial={"policy": form.cleaned_data["policy"]}), "verdict": verdict}
    try:
        check_receipt(
            verdict,
            form.receipt_bytes,
            policy_text=form.policy_bytes or log_policy().text().encode(),
            entry=form.bytes_of("entry"),
            disclosed=form.bytes_of("disclosure"),
        )
    except EntryMissing:
        form.add_error("entry", "This receipt does not carry its entry: choose the file with the entry's bytes too.")
        return render(request, PAGE, {"form": form}, status=422)
    except CheckFailed as failed:
        context |= {"failed": failed, "code": failed.error.code}
        return render(request, PAGE, context, status=422)
    is_ours = not form.policy_bytes
    return render(request, PAGE, context | {"is_our_policy": is_ours})
