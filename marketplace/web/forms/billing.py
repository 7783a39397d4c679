"""What a person declares for invoices."""

from typing import Any

from django import forms

from marketplace.accounts.models import BillingProfile
from marketplace.accounts.places import country_choices
from marketplace.countries import country_name
from marketplace.purchases.tax import compact_vat_id, is_in_union


class BillingForm(forms.ModelForm):
    country = forms.ChoiceField(
        label="Country",
        choices=lambda: [("", "Choose"), *country_choices()[1:]],
        help_text="Where you live, or where your business is established. It decides whose VAT a price holds.",
        error_messages={"required": "Choose your country."},
        widget=forms.Select(attrs={"autocomplete": "country"}),
    )

    class Meta:
        model = BillingProfile
        fields = ["name", "address", "country", "vat_id"]
        labels = {"name": "Name or company", "address": "Address", "vat_id": "VAT id"}
        help_texts = {
            "address": "Street and number, postal code and town, each on a line of its own.",
            "vat_id": "Only if you buy as a business in the European Union, such as DE 123 456 788.",
        }
        error_messages = {
            "name": {"required": "Enter the name that your invoices shall show."},
            "address": {"required": "Enter the address that your invoices shall show."},
        }
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "name"}),
            "address": forms.Textarea(attrs={"rows": 4, "autocomplete": "street-address"}),
            "vat_id": forms.TextInput(attrs={"autocomplete": "off"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # People write spaces and dots into the id, which are taken out before it is measured.
        self.fields["vat_id"] = forms.CharField(
            label="VAT id",
            max_length=40,
            required=False,
            help_text=self.fields["vat_id"].help_text,
            widget=self.fields["vat_id"].widget,
        )

    def clean_name(self) -> str:
        return " ".join(str(self.cleaned_data["name"]).split())

    def clean_address(self) -> str:
        lines = (" ".join(line.split()) for line in str(self.cleaned_data["address"]).splitlines())
        return "\n".join(line for line in lines if line)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        text, country = cleaned.get("vat_id", ""), cleaned.get("country", "")
        if not text or not country:
            return cleaned
        if not is_in_union(country):
            self.add_error("vat_id", "VAT ids are for the European Union. Leave it empty.")
            return cleaned
        cleaned["vat_id"] = compact_vat_id(text, country)
        if not cleaned["vat_id"]:
            self.add_error(
                "vat_id", f"This is not a VAT id of {country_name(country)}: look at its letters and digits."
            )
        return cleaned
