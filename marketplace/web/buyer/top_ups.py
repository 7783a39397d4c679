"""The way to the wallet's form."""

from urllib.parse import urlencode

from django.urls import reverse

from marketplace.wallet.providers import SMALLEST_TOP_UP_MICROS
from marketplace.wallet.units import MICROS_PER_CENT


def wallet_form_address(amount_micros: int, back: str) -> str:
    """The wallet's form with the amount filled in, in whole cents; paying it leads to `back`, if there is one."""
    cents = -(-max(amount_micros, SMALLEST_TOP_UP_MICROS) // MICROS_PER_CENT)
    query = {"amount": f"{cents // 100}.{cents % 100:02d}"} | ({"next": back} if back else {})
    return f"{reverse('wallet')}?{urlencode(query)}#top-up"
