"""Money that the provider took back. The wallet pays as much as it holds; the rest is owed and covered first."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import uuid5

from django.db import connection, transaction

from marketplace.accounts.models import User
from marketplace.wallet.gateway.errors import AccountHeld
from marketplace.wallet.gateway.models import Chargeback
from marketplace.wallet.models import Account, Transfer
from marketplace.wallet.services import accounts_of, balance_micros, post_transfer

logger = logging.getLogger(__name__)

_OWED = """
    SELECT coalesce(sum(c.amount_micros - c.taken_micros), 0) FROM wallet_chargeback c
    JOIN wallet_topup t ON t.id = c.top_up_id
    WHERE c.taken_micros < c.amount_micros AND c.state <> 'won' AND t.user_id = %s
"""


def owed_micros(user: User) -> int:
    with connection.cursor() as cursor:
        # Each purchase asks this; nearly always the index has nothing.
        cursor.execute(_OWED, [user.pk])
        (owed,) = cursor.fetchone()
    return int(owed)


def refuse_while_owing(user: User) -> None:
    """Raises: AccountHeld."""
    owed = owed_micros(user)
    if owed:
        raise AccountHeld(owed_micros=owed)


def cover_debts(user: User, *, at: datetime) -> Transfer | None:
    """Take from the wallet what is owed, as far as it goes, in the running transaction. Returns the last transfer."""
    owed = Chargeback.objects.owed().filter(top_up__user=user).select_for_update(no_key=True, of=("self",))
    last = None
    for chargeback in owed.order_by("pk"):
        last = _take(chargeback, user, at) or last
    return last


def cover_all_debts(*, at: datetime) -> int:
    """Money may come into a wallet by other ways than a top-up. Returns how many chargebacks got some of it."""
    people = User.objects.filter(top_ups__chargebacks__in=Chargeback.objects.owed()).distinct().order_by("pk")
    covered = 0
    # All of them: whoever has nothing must not hide who has.
    for user in list(people):
        with transaction.atomic():
            covered += cover_debts(user, at=at) is not None
    return covered


def _take(chargeback: Chargeback, user: User, at: datetime) -> Transfer | None:
    wallet, provider = accounts_of(owned=[(user, Account.Kind.WALLET)], kinds=[Account.Kind.PROVIDER])
    with connection.cursor() as cursor:
        # It also locks the account: from here on nobody else spends from it.
        cursor.execute("SELECT wallet_roll_up(%s::bigint[])", [[wallet.pk]])
    amount = min(balance_micros(wallet), chargeback.owed_micros)
    if amount <= 0:
        return None
    transfer = post_transfer(
        idempotency_key=uuid5(chargeback.public_id, f"from {chargeback.taken_micros}"),
        kind=Transfer.Kind.CHARGEBACK,
        postings=[(wallet, -amount), (provider, amount)],
        reference=chargeback.public_id,
        at=at,
    )
    chargeback.taken_micros += amount
    chargeback.save(update_fields=["taken_micros"])
    logger.warning("chargeback.taken", extra={"chargeback_id": str(chargeback.public_id)})
    return transfer


def give_back(chargeback: Chargeback, *, at: datetime) -> Transfer | None:
    """A locked dispute was won: what the wallet paid comes back."""
    chargeback.state, chargeback.closed_at = Chargeback.State.WON, at
    chargeback.save(update_fields=["state", "closed_at"])
    if not chargeback.taken_micros:
        return None
    user = chargeback.top_up.user
    wallet, provider = accounts_of(owned=[(user, Account.Kind.WALLET)], kinds=[Account.Kind.PROVIDER])
    return post_transfer(
        idempotency_key=uuid5(chargeback.public_id, "won"),
        kind=Transfer.Kind.CHARGEBACK,
        postings=[(provider, -chargeback.taken_micros), (wallet, chargeback.taken_micros)],
        reference=chargeback.public_id,
        at=at,
    )
