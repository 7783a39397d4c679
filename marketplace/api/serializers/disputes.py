from typing import Any

from rest_framework import serializers

from marketplace.disputes.models import Dispute
from marketplace.disputes.services import LONGEST_TEXT


class DisputeIn(serializers.Serializer[Any]):
    reason = serializers.ChoiceField(choices=Dispute.Reason.choices)
    text = serializers.CharField(max_length=LONGEST_TEXT)


class AnswerIn(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=LONGEST_TEXT)


class DisputeOut(serializers.Serializer[Dispute]):
    id = serializers.UUIDField(source="public_id")
    purchase = serializers.UUIDField(source="purchase.public_id")
    reason = serializers.CharField()
    text = serializers.CharField()
    opened_at = serializers.DateTimeField()
    answer = serializers.CharField()
    answered_at = serializers.DateTimeField(allow_null=True)
    closed_at = serializers.DateTimeField(allow_null=True, help_text="When the buyer took it back.")
    ruling = serializers.CharField(help_text="refund, reject, or empty until it is decided.")
    ruling_text = serializers.CharField()
    refund_micros = serializers.IntegerField(source="refund.amount_micros", default=0)
    ends_access = serializers.BooleanField()
    decided_at = serializers.DateTimeField(allow_null=True)
