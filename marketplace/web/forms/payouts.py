from decimal import Decimal

from django import forms

from marketplace.wallet.gateway.models import Payee
from marketplace.wallet.units import MICROS_PER_UNIT
from marketplace.web.forms.money import MoneyField


class PayoutForm(forms.Form):
    """How much is to be paid out; everything when nothing is said."""

    amount = MoneyField(
        label="Amount in EUR",
        required=False,
        min_value=Decimal("0.01"),
        max_digits=15,
        help_text="Leave it empty to have everything paid out.",
        error_messages={
            "invalid": "Enter the amount as a number, such as 12.40.",
            "min_value": "A payout is at least EUR 5.",
            "max_digits": "You have not earned that much.",
            "max_whole_digits": "You have not earned that much.",
            "max_decimal_places": "Enter whole cents, such as 12.40.",
        },
    )

    @property
    def amount_micros(self) -> int | None:
        amount: Decimal | None = self.cleaned_data["amount"]
        return None if amount is None else int(amount * MICROS_PER_UNIT)


class PayoutConfirmation(forms.Form):
    """The very amount that was shown, and a key that makes a repeat harmless."""

    amount_micros = forms.IntegerField(min_value=1, max_value=2**53, widget=forms.HiddenInput)
    idempotency_key = forms.UUIDField(widget=forms.HiddenInput)


class ScheduleForm(forms.Form):
    schedule = forms.ChoiceField(label="When", choices=Payee.Schedule.choices)


class BankAnswerForm(forms.Form):
    """What the bank says, at the built-in provider."""

    answer = forms.ChoiceField(choices=[("paid", "paid"), ("failed", "failed")])
