from typing import Any

from rest_framework import serializers

from marketplace.wallet.models import Posting, TopUp


class WalletOut(serializers.Serializer[Any]):
    balance_micros = serializers.IntegerField()
    currency = serializers.CharField()


class PostingOut(serializers.Serializer[Posting]):
    at = serializers.DateTimeField(source="transfer.at")
    kind = serializers.CharField(source="transfer.kind")
    reference = serializers.UUIDField(source="transfer.reference")
    amount_micros = serializers.IntegerField()


class TopUpIn(serializers.Serializer[Any]):
    amount_micros = serializers.IntegerField(min_value=1)


class TopUpOut(serializers.Serializer[TopUp]):
    id = serializers.UUIDField(source="public_id")
    amount_micros = serializers.IntegerField()
    currency = serializers.CharField()
    state = serializers.CharField()
    provider = serializers.CharField()
    created_at = serializers.DateTimeField()
    settled_at = serializers.DateTimeField()


class OutcomeIn(serializers.Serializer[Any]):
    outcome = serializers.ChoiceField(choices=["pay", "decline"])
