"""What the payment providers have in common: which one is connected, its limits, and what its answers mean.

The provider "test" is built in: its page lets the person choose between paying and being declined.
"""

from typing import Literal, get_args

from django.conf import settings

from marketplace.wallet.errors import AmountNotWholeCents, AmountOutOfRange, ProviderUnknown
from marketplace.wallet.models import TopUp
from marketplace.wallet.units import MICROS_PER_CENT, MICROS_PER_UNIT

Outcome = Literal["pay", "decline"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

TEST = "test"
STRIPE = "stripe"
SMALLEST_TOP_UP_MICROS = 1 * MICROS_PER_UNIT
LARGEST_TOP_UP_MICROS = 5_000 * MICROS_PER_UNIT


def configured() -> str:
    """Return the name of the connected provider. Raises: ProviderUnknown."""
    if settings.PAYMENT_PROVIDER not in {TEST, STRIPE}:
        raise ProviderUnknown
    return str(settings.PAYMENT_PROVIDER)


def check_amount(amount_micros: int) -> None:
    """Raises: AmountOutOfRange, AmountNotWholeCents."""
    if not SMALLEST_TOP_UP_MICROS <= amount_micros <= LARGEST_TOP_UP_MICROS:
        raise AmountOutOfRange(minimum_micros=SMALLEST_TOP_UP_MICROS, maximum_micros=LARGEST_TOP_UP_MICROS)
    if amount_micros % MICROS_PER_CENT:
        raise AmountNotWholeCents


def state_after(outcome: str) -> TopUp.State:
    """Return the state that an outcome leads to. Raises ValueError for a word that is no outcome."""
    states = {"pay": TopUp.State.PAID, "decline": TopUp.State.DECLINED}
    if outcome not in states:
        raise ValueError(f"An outcome is one of {', '.join(OUTCOMES)}.")
    return states[outcome]
