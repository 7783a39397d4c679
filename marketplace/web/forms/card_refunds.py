from decimal import Decimal

from django import forms

from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.forms.money import MoneyField

TOO_MUCH = "That is more than can go back by this payment."


class CardRefundForm(forms.Form):
    """How much of a top-up goes back; all that can when nothing is said."""

    amount = MoneyField(
        label="Amount in EUR",
        required=False,
        min_value=Decimal("0.01"),
        max_digits=15,
        help_text="Leave it empty to take back all of it.",
        error_messages={
            "invalid": "Enter the amount as a number, such as 12.40.",
            "min_value": "Take back at least EUR 0.01.",
            "max_digits": TOO_MUCH,
            "max_whole_digits": TOO_MUCH,
            "max_decimal_places": "Enter whole cents, such as 12.40.",
        },
    )

    @property
    def amount_micros(self) -> int | None:
        amount: Decimal | None = self.cleaned_data["amount"]
        return None if amount is None else int(amount * MICROS_PER_UNIT)


class CardRefundConfirmation(forms.Form):
    """The very amount that was shown, and a key that makes a repeat harmless."""

    amount_micros = forms.IntegerField(min_value=1, max_value=2**53, widget=forms.HiddenInput)
    idempotency_key = forms.UUIDField(widget=forms.HiddenInput)
