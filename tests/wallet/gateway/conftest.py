from collections.abc import Iterator
from typing import Any

import pytest

from tests.fake_stripe import WEBHOOK_SECRET, FakeStripe, running_fake


@pytest.fixture
def stripe_here(settings: Any) -> Iterator[FakeStripe]:
    """The market is connected to a stand-in for Stripe."""
    with running_fake() as fake:
        settings.PAYMENT_PROVIDER = "stripe"
        settings.STRIPE_SECRET_KEY = "sk_test_of_the_tests"
        settings.STRIPE_WEBHOOK_SECRETS = ["whsec_another", WEBHOOK_SECRET]
        settings.STRIPE_API_ADDRESS = fake.address
        yield fake
