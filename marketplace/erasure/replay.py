"""Do the erasures again that a restored backup does not know of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from marketplace.accounts.models import User
from marketplace.erasure.marks import account_mark
from marketplace.erasure.models import Erasure
from marketplace.erasure.outlook import wallets_with_money
from marketplace.erasure.services import erase_again
from marketplace.wallet.models import Account


@dataclass(slots=True)
class Replay:
    """wallets: those that hold money according to the backup; nobody's name is on them any more."""

    erased_count: int = 0
    wallets: list[Account] = field(default_factory=list)


def replay_erasures(erased_on: Mapping[bytes, date], *, at: datetime) -> Replay:
    """Erase the accounts of these marks that are not erased. Each in a transaction of its own; may be repeated."""
    replay = Replay()
    for user in User.objects.filter(erased_at=None).only("pk", "public_id").order_by("pk").iterator():
        if account_mark(user.public_id) in erased_on:
            account = erase_again(user=user, at=at)
            replay.erased_count += 1
            replay.wallets += wallets_with_money(account)
    # What the backup does not know is known from now on, under the days on which it happened first.
    Erasure.objects.bulk_create(
        [Erasure(account_mark=mark, erased_on=day) for mark, day in erased_on.items()],
        update_conflicts=True,
        unique_fields=["account_mark"],
        update_fields=["erased_on"],
    )
    return replay
