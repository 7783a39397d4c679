from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from marketplace.accounts.models import User
from marketplace.wallet.models import Account
from marketplace.wallet.services import account_of, balance_micros, earned_micros
from marketplace.web.formats import cents_text, plural
from marketplace.web.owner.sale_rows import latest_reads, latest_sales, reads_of, sale_rows, sales_of, statement
from marketplace.web.owner.standing import month_start
from marketplace.web.paging import page_by_time
from marketplace.web.requests import OwnerRequest

ROWS_A_PAGE = 50


@require_safe
@login_required
def sales(request: OwnerRequest) -> HttpResponse:
    """Earnings: the statement by month and listing, then the newest sales and reads."""
    own = sales_of(request.user)
    this_month = earned_micros(request.user, since=month_start(timezone.now()))
    context = {
        "sales_note": plural(own.count(), "sale") + " in all",
        "month_text": cents_text(this_month, settings.MARKET_CURRENCY),
        "payable_text": own_money_text(request.user, Account.Kind.PAYABLE),
        "escrow_text": own_money_text(request.user, Account.Kind.ESCROW),
        "months": statement(request.user),
        "rows": latest_sales(own),
        "reads": latest_reads(request.user),
    }
    return render(request, "owner/sales/statement.html", context)


def own_money_text(user: User, kind: str) -> str:
    return cents_text(balance_micros(account_of(user, kind)), settings.MARKET_CURRENCY)


@require_safe
@login_required
def sale_list(request: OwnerRequest) -> HttpResponse:
    own = sales_of(request.user).select_related("buyer", "listing", "plan")
    page = page_by_time(own, column="purchased_at", mark=request.GET.get("from", ""), size=ROWS_A_PAGE)
    return render(request, "owner/sales/sales.html", {"rows": sale_rows(list(page.rows)), "page": page})


@require_safe
@login_required
def read_list(request: OwnerRequest) -> HttpResponse:
    mark = request.GET.get("from", "")
    page = page_by_time(reads_of(request.user), column="at", mark=mark, size=ROWS_A_PAGE)
    return render(request, "owner/sales/reads.html", {"reads": page.rows, "page": page})
