from typing import Any

from rest_framework import serializers

from devices.limits import LONGEST_MEASURE_NAME
from marketplace.consents.models import Audience, Consent, Resolution
from marketplace.consents.purposes import PURPOSES


class PurposeOut(serializers.Serializer[Any]):
    code = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field, not this serializer's own label
    explanation = serializers.CharField()


class WithFields(serializers.Serializer[Any]):
    """Names the declared fields_ "fields", the API's word, which is taken for an attribute of a serializer."""

    def get_fields(self) -> dict[str, Any]:
        declared = super().get_fields()
        return {("fields" if name == "fields_" else name): field for name, field in declared.items()}


class ConsentIn(WithFields):
    devices = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=100)
    fields_ = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_MEASURE_NAME), min_length=1, max_length=100
    )
    resolution = serializers.ChoiceField(choices=Resolution.choices)
    delay_seconds = serializers.IntegerField(min_value=0, default=0)
    purposes = serializers.ListField(
        child=serializers.ChoiceField(choices=[(purpose.code, purpose.label) for purpose in PURPOSES]), min_length=1
    )
    audience = serializers.ChoiceField(choices=Audience.choices, default=Audience.ANYONE)
    buyer_emails = serializers.ListField(child=serializers.EmailField(), default=list, max_length=100)
    valid_until = serializers.DateTimeField()
    records_others = serializers.BooleanField(
        default=False, help_text="Other people may be recorded: then no reading is sold by itself (raw)."
    )
    renews = serializers.UUIDField(default=None, allow_null=True, help_text="A consent of mine that this follows on.")


class TermsIn(WithFields):
    """What is left out stays as it is."""

    fields_ = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_MEASURE_NAME), max_length=100, required=False
    )
    resolution = serializers.ChoiceField(choices=Resolution.choices, required=False)
    delay_seconds = serializers.IntegerField(min_value=0, required=False)
    purposes = serializers.ListField(child=serializers.CharField(max_length=64), max_length=100, required=False)
    valid_until = serializers.DateTimeField(required=False)


class ConsentOut(WithFields):
    id = serializers.UUIDField(source="public_id")
    devices = serializers.SerializerMethodField()
    fields_ = serializers.ListField(child=serializers.CharField())
    resolution = serializers.CharField()
    delay_seconds = serializers.IntegerField()
    purposes = serializers.ListField(child=serializers.CharField())
    refused_purposes = serializers.ListField(child=serializers.CharField())
    audience = serializers.CharField()
    records_others = serializers.BooleanField()
    renews = serializers.UUIDField(allow_null=True, source="renews.public_id", default=None)
    valid_from = serializers.DateTimeField()
    valid_until = serializers.DateTimeField()
    narrowed_at = serializers.DateTimeField(allow_null=True)
    withdrawn_at = serializers.DateTimeField(allow_null=True)
    entry_id = serializers.UUIDField()
    entry_index = serializers.SerializerMethodField(help_text="Null until it is in a signed checkpoint.")

    def get_devices(self, consent: Consent) -> list[str]:
        return [str(row.device.public_id) for row in consent.consent_devices.all()]

    def get_entry_index(self, consent: Consent) -> int | None:
        index: int | None = self.context["entry_indices"].get(consent.entry_id)
        return index
