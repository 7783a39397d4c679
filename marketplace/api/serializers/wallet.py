from typing import Any

from rest_framework import serializers

from marketplace.wallet.models import Posting, TopUp, Transfer


class WalletOut(serializers.Serializer[Any]):
    balance_micros = serializers.IntegerField(help_text="What I may spend.")
    earned_micros = serializers.IntegerField(help_text="What I earned and neither moved nor had paid out.")
    on_hold_micros = serializers.IntegerField(help_text="What buyers paid me and I have not earned yet.")
    currency = serializers.CharField()


class PostingOut(serializers.Serializer[Posting]):
    at = serializers.DateTimeField(source="transfer.at")
    kind = serializers.CharField(source="transfer.kind")
    reference = serializers.UUIDField(allow_null=True, source="transfer.reference")
    amount_micros = serializers.IntegerField()


class EarningsMoveIn(serializers.Serializer[Any]):
    amount_micros = serializers.IntegerField(min_value=1, max_value=2**63 - 1)


class TransferOut(serializers.Serializer[Transfer]):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    at = serializers.DateTimeField()


class TopUpIn(serializers.Serializer[Any]):
    amount_micros = serializers.IntegerField(min_value=1)


class TopUpOut(serializers.Serializer[TopUp]):
    id = serializers.UUIDField(source="public_id")
    amount_micros = serializers.IntegerField()
    currency = serializers.CharField()
    state = serializers.CharField()
    provider = serializers.CharField()
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField(allow_null=True)


class OutcomeIn(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=["pay", "decline"])
