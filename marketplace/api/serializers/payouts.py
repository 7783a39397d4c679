from typing import Any

from rest_framework import serializers

from marketplace.wallet.gateway.models import Payout


class PayoutIn(serializers.Serializer[Any]):
    amount_micros = serializers.IntegerField(
        min_value=1, max_value=2**63 - 1, allow_null=True, default=None, help_text="Everything when left out."
    )


class PayoutOut(serializers.Serializer[Payout]):
    id = serializers.UUIDField(source="public_id")
    amount_micros = serializers.IntegerField()
    currency = serializers.CharField()
    state = serializers.CharField()
    failure_code = serializers.CharField(help_text="Of a failed one; its money is back among the earnings.")
    requested_at = serializers.DateTimeField()
    sent_at = serializers.DateTimeField(allow_null=True)
    settled_at = serializers.DateTimeField(allow_null=True)
