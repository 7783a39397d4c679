import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

# A minus is understood, so that the refusal names the least amount instead of the spelling.
_AMOUNT = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class MoneyField(forms.DecimalField):
    """An amount in whole cents, written as people write money: ASCII digits and at most one dot.

    DecimalField itself takes whatever Python's Decimal takes: 1e3, 1_000, other scripts' digits.
    """

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.NumberInput(attrs={"class": "input-short", "step": "0.01", "inputmode": "decimal"})
        super().__init__(decimal_places=2, widget=widget, **kwargs)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip() and not _AMOUNT.fullmatch(value.strip()):
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)
