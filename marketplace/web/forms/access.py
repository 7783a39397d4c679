from __future__ import annotations

from typing import Any

from django import forms

from devices.models import Device
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.web.forms.listings import ConsentChoice


class AccessFilter(forms.Form):
    """Which purchases an owner wants to see. Nothing chosen means those that can be read now."""

    NOW, ENDED, ALL = "now", "ended", "all"

    state = forms.ChoiceField(
        label="Access",
        choices=[(NOW, "May read now"), (ENDED, "Has ended"), (ALL, "Both")],
        required=False,
    )
    consent = ConsentChoice(
        label="Consent", queryset=Consent.objects.none(), to_field_name="public_id", required=False, empty_label="Any"
    )
    device = forms.ModelChoiceField(
        label="Device", queryset=Device.objects.none(), to_field_name="public_id", required=False, empty_label="Any"
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        consent, device = self.fields["consent"], self.fields["device"]
        assert isinstance(consent, forms.ModelChoiceField)
        assert isinstance(device, forms.ModelChoiceField)
        consent.queryset = Consent.objects.filter(owner=owner)
        device.queryset = Device.objects.owned_by(owner).order_by("name", "pk")

    def clean_state(self) -> str:
        return self.cleaned_data["state"] or self.NOW
