from uuid import uuid4

import pytest
from django.conf import settings

from marketplace.celery import app
from marketplace.wallet.services import TransferDraft, account_of, balance_micros, post_transfers
from marketplace.wallet.tasks import roll_up_balances_task
from tests.builders_money import fill_wallet

pytestmark = pytest.mark.django_db


def test_the_schedule_rolls_up_what_piled_up(sara, ben, now):
    fill_wallet(ben, 1, now)
    purse, till = account_of(ben), account_of(sara)
    post_transfers([TransferDraft(uuid4(), "purchase", [(purse, -1), (till, 1)], None, now) for _ in range(1000)])
    assert roll_up_balances_task() == 1
    assert (till.waiting_changes.count(), balance_micros(till)) == (0, 1000)
    assert roll_up_balances_task() == 0


def test_the_task_is_on_the_schedule_and_known():
    scheduled = settings.CELERY_BEAT_SCHEDULE["wallet-roll-up"]["task"]
    app.loader.import_default_modules()
    assert scheduled in app.tasks
