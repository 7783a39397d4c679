from django import forms

from devices.models import Device
from marketplace.countries import country_names


class DeviceForm(forms.Form):
    name = forms.CharField(
        label="Name",
        max_length=60,
        help_text="Only you see it. “Garden station” is enough.",
        error_messages={"required": "Give the device a name that you will recognise."},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    kind = forms.ChoiceField(
        label="What it is",
        choices=Device.Kind.choices,
        error_messages={"required": "Choose what kind of device it is."},
        widget=forms.RadioSelect,
    )
    country = forms.ChoiceField(
        label="Country",
        error_messages={"required": "Choose the country where the device stands."},
        widget=forms.Select(attrs={"autocomplete": "country"}),
    )
    region = forms.CharField(
        label="Region or town",
        max_length=60,
        required=False,
        help_text=(
            "Keep it coarse: buyers see it. A region says enough about the weather or the grid; "
            "an address would say where you live, and could not be taken back."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "address-level1"}),
    )

    def __init__(self, *args: object, home_country: str = "", **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # Handed on unseen.
        field = self.fields["country"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", "Choose a country"), *country_names().items()]
        field.initial = home_country
