from datetime import UTC, datetime
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from rest_framework import serializers

from devices.limits import LONGEST_MEASURE_NAME
from devices.models import Batch, Device, Measure


class DeviceIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=60)
    kind = serializers.ChoiceField(choices=Device.Kind.choices)
    country = serializers.RegexField(r"^[A-Z]{2}$", required=False, default="", help_text="ISO 3166-1 alpha-2.")
    region = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class MeasureOut(serializers.Serializer[Measure]):
    name = serializers.CharField()
    unit = serializers.CharField(help_text="UCUM.")
    first_at = serializers.DateTimeField(allow_null=True)
    last_at = serializers.DateTimeField(allow_null=True)
    reading_count = serializers.IntegerField()


class DeviceOut(serializers.Serializer[Device]):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    kind = serializers.CharField()
    country = serializers.CharField()
    region = serializers.CharField()
    state = serializers.CharField(help_text="waiting, enrolled, retired or handed_over.")
    enrolled_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)
    taken_over_at = serializers.DateTimeField(allow_null=True)
    handed_over_at = serializers.DateTimeField(allow_null=True)
    last_seen_at = serializers.DateTimeField(allow_null=True)
    last_sequence = serializers.IntegerField()
    reading_count = serializers.IntegerField()
    measures = MeasureOut(many=True)


class ClaimOut(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Shown once; good for one enrolment.")
    expires_at = serializers.DateTimeField()


class HandoverIn(serializers.Serializer[Any]):
    email = serializers.EmailField(help_text="With which the new owner logs in here. Nothing is sent to it.")


class HandoverOut(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Shown once; good for three days and that one address.")
    expires_at = serializers.DateTimeField()


class TakeoverIn(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=60)
    country = serializers.RegexField(r"^[A-Z]{2}$", required=False, default="", help_text="ISO 3166-1 alpha-2.")
    region = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class BatchOut(serializers.Serializer[Batch]):
    sequence = serializers.IntegerField()
    sha256 = serializers.SerializerMethodField()
    content_type = serializers.CharField()
    reading_count = serializers.IntegerField()
    issued_at = serializers.DateTimeField()
    received_at = serializers.DateTimeField()
    first_reading_at = serializers.DateTimeField()
    last_reading_at = serializers.DateTimeField()

    def get_sha256(self, batch: Batch) -> str:
        return bytes(batch.content_hash).hex()


# No batch has a reading from before 1978, and at the very ends of the calendar a zone's offset overflows.
WITHIN_REASON = [
    MinValueValidator(datetime(1970, 1, 1, tzinfo=UTC)),
    MaxValueValidator(datetime(9000, 1, 1, tzinfo=UTC)),
]


class ReadingsQuery(serializers.Serializer[Any]):
    measure = serializers.CharField(max_length=LONGEST_MEASURE_NAME)
    start = serializers.DateTimeField(validators=WITHIN_REASON)
    until = serializers.DateTimeField(validators=WITHIN_REASON)


class ReadingOut(serializers.Serializer[Any]):
    time = serializers.DateTimeField()
    value = serializers.FloatField()
    unit = serializers.CharField()
    sequence = serializers.IntegerField(help_text="The signed batch that brought it.")
