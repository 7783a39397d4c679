from typing import Any

from django import forms
from django.http import HttpRequest


class SignupDetailsForm(forms.Form):
    display_name = forms.CharField(label="The name that others see", max_length=60, required=False)

    def signup(self, request: HttpRequest, user: Any) -> None:
        user.display_name = self.cleaned_data["display_name"]
        user.save(update_fields=["display_name"])
