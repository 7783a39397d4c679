"""People with money, made at once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from marketplace.accounts.models import User
from marketplace.wallet.models import Account
from marketplace.wallet.services import TransferDraft, market_account, post_transfers

NOW = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
EURO = 1_000_000


def make_people(name: str, count: int) -> list[User]:
    return User.objects.bulk_create(User(email=f"{name}-{number}@example.test") for number in range(count))


def make_accounts(people: Sequence[User], kind: str) -> list[Account]:
    return Account.objects.bulk_create(Account(owner=person, kind=kind, currency="EUR") for person in people)


def fill(wallets: Sequence[Account], euros: int) -> None:
    """As many top-ups, in one statement."""
    till = market_account("provider")
    post_transfers(
        [
            TransferDraft(uuid4(), "top_up", [(till, -euros * EURO), (wallet, euros * EURO)], uuid4(), NOW)
            for wallet in wallets
        ]
    )
