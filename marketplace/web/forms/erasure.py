from typing import Any

from django import forms


class ErasureForm(forms.Form):
    """Typing the address is slow on purpose: nobody erases an account by a slip."""

    address = forms.EmailField(
        label="Your e-mail address",
        help_text="Type it to confirm that you mean this account.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, address: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.expected = address.lower()

    def clean_address(self) -> str:
        typed = self.cleaned_data["address"].lower()
        if typed != self.expected:
            raise forms.ValidationError("This is not the address of your account.")
        return typed
