"""Short ways to money, and to doing a thing at the same time on real connections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TypeVar

from django.db import connection

from marketplace.accounts.models import User
from marketplace.wallet.gateway.services import pay_at_test_provider
from marketplace.wallet.services import start_top_up

Answer = TypeVar("Answer")
EURO = 1_000_000


def fill_wallet(user: User, euros: int, at: datetime) -> None:
    pay_at_test_provider(top_up=start_top_up(user=user, amount_micros=euros * EURO, at=at), answer="pay", at=at)


def at_once(acts: Sequence[Callable[[], Answer]]) -> list[Answer | Exception]:
    """Do all acts together, each on a connection of its own, and return what each gave or raised."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], Answer]) -> Answer | Exception:
        try:
            connection.ensure_connection()
            start.wait(timeout=30)
            return act()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))
