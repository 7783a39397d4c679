"""Anything in any order: the books stay right, nobody reads without a right to, and every act has its entry.

Short here; MONEY_EXAMPLES=140 takes more than 5,000 steps, and says (with -s) how many.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.money.machine import Market

EXAMPLES = int(os.environ.get("MONEY_EXAMPLES", "4"))
STEPS = 50 if EXAMPLES > 4 else 20


@pytest.mark.django_db
def test_the_books_stay_right_whatever_happens() -> None:
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        derandomize=EXAMPLES <= 4,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(Market, settings=chosen)
    print(f"{Market.steps} times everything was looked at, once after each step")
