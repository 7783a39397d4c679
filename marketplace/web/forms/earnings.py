from decimal import Decimal

from django import forms

from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.forms.money import MoneyField


class EarningsMoveForm(forms.Form):
    """How much of the earnings goes to the wallet; everything when nothing is said."""

    amount = MoneyField(
        label="Amount in EUR",
        required=False,
        min_value=Decimal("0.01"),
        max_digits=15,
        help_text="Leave it empty to move everything.",
        error_messages={
            "invalid": "Enter the amount as a number, such as 12.40.",
            "min_value": "Move at least EUR 0.01.",
            "max_digits": "You have not earned that much.",
            "max_whole_digits": "You have not earned that much.",
            "max_decimal_places": "Enter whole cents, such as 12.40.",
        },
    )
    idempotency_key = forms.UUIDField(widget=forms.HiddenInput)

    @property
    def amount_micros(self) -> int | None:
        amount: Decimal | None = self.cleaned_data["amount"]
        return None if amount is None else int(amount * MICROS_PER_UNIT)
