from django import forms
from django.http import HttpRequest

from marketplace.accounts.models import User
from marketplace.accounts.places import country_choices, time_zone_choices


class SignupDetailsForm(forms.Form):
    """What the sign-up asks besides the address and the password. django-allauth's form inherits from it."""

    display_name = forms.CharField(
        label="The name that others see",
        max_length=60,
        required=False,
        help_text="Buyers and sellers see it. Leave it empty to appear as a neutral handle.",
        widget=forms.TextInput(attrs={"autocomplete": "nickname"}),
    )
    country = forms.ChoiceField(
        label="Country",
        choices=country_choices,
        required=False,
        widget=forms.Select(attrs={"autocomplete": "country"}),
    )
    time_zone = forms.ChoiceField(
        label="Time zone",
        choices=time_zone_choices,
        required=False,
        help_text="Times on your pages are shown in it, beside UTC.",
        # No initial value: where nothing is marked as chosen, the script proposes the browser's zone. Else it is UTC.
        widget=forms.Select(attrs={"data-propose-time-zone": True}),
    )

    def clean_display_name(self) -> str:
        return " ".join(str(self.cleaned_data["display_name"]).split())

    def signup(self, request: HttpRequest, user: User) -> None:
        user.display_name = self.cleaned_data["display_name"]
        user.country = self.cleaned_data["country"]
        user.time_zone = self.cleaned_data["time_zone"] or "UTC"
        user.save(update_fields=["display_name", "country", "time_zone"])
