from typing import Any

from django import forms

from marketplace.web.forms.devices import DeviceForm


class HandoverForm(forms.Form):
    email = forms.EmailField(
        label="E-mail address of the new owner",
        help_text="The address of the account here that takes the device over. We send nothing to it.",
        error_messages={
            "required": "Write the address with which the new owner logs in here.",
            "invalid": "Write an address like name@example.com.",
        },
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )


class HandoverCodeForm(forms.Form):
    code = forms.CharField(
        label="Code",
        max_length=40,
        help_text="Twelve letters and digits, from whoever gives you the device. Capitals and dashes do not matter.",
        error_messages={"required": "Write the code that the owner of the device gave you."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}),
    )


class TakeoverForm(DeviceForm):
    """The device as its new owner calls it, with the code going along unseen."""

    code = forms.CharField(max_length=40, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["kind"]
