"""Many issuers at once, on connections of their own: no number is missing and none is given twice."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import pytest

from marketplace.invoices.models import Invoice
from marketplace.invoices.services import issue_due
from marketplace.purchases.models import Purchase
from tests.builders_money import at_once
from tests.invoices.conftest import ONE_OFF

pytestmark = pytest.mark.django_db(transaction=True)


def test_four_issuers_at_once_leave_no_gap_and_no_double(buy: Callable[..., Purchase], now: datetime) -> None:
    for _ in range(12):
        buy(ONE_OFF)
    answers = at_once([partial(issue_due, at=now, most=2) for _ in range(4)])
    assert sum(answer for answer in answers if isinstance(answer, int)) == 12
    assert list(Invoice.objects.order_by("number").values_list("number", flat=True)) == list(range(1, 13))
    assert Invoice.objects.values("purchase").distinct().count() == 12
