from rest_framework import serializers

from marketplace.accounts.models import User


class PersonOut(serializers.Serializer[User]):
    id = serializers.UUIDField(source="public_id")
    email = serializers.EmailField()
    display_name = serializers.CharField()
    time_zone = serializers.CharField()
    country = serializers.CharField()


class ProblemOut(serializers.Serializer[object]):
    """RFC 9457. code is stable; detail is a sentence for a person; errors names wrong fields."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = serializers.DictField(required=False)  # type: ignore[assignment]  # RFC 9457's word
