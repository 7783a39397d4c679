from typing import Any

from rest_framework import serializers

from devices.limits import LONGEST_MEASURE_NAME
from marketplace.access.models import LONGEST_NAME, AccessToken
from marketplace.access.services import MOST_REQUESTS_A_MINUTE, MOST_ROWS, Narrowing, read_networks


class NarrowingIn(serializers.Serializer[Any]):
    """Everything may be left out: then the token opens what was bought."""

    name = serializers.CharField(required=False, max_length=LONGEST_NAME, help_text="Only you see it.")
    only_fields = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST_MEASURE_NAME), required=False, allow_null=True, max_length=1000
    )
    window_from = serializers.DateTimeField(required=False, allow_null=True)
    window_until = serializers.DateTimeField(required=False, allow_null=True)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
    rate_per_minute = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MOST_REQUESTS_A_MINUTE
    )
    row_cap = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=MOST_ROWS)
    networks = serializers.ListField(
        child=serializers.CharField(max_length=64), required=False, help_text="CIDR, IPv4 or IPv6."
    )


def narrowing_of(asked: dict[str, Any]) -> tuple[str, Narrowing]:
    """Return the name and the limits of what NarrowingIn has checked. Raises: NarrowingInvalid."""
    fields = asked.get("only_fields")
    limits = ("window_from", "window_until", "expires_at", "rate_per_minute", "row_cap")
    narrowing = Narrowing(
        fields=None if fields is None else tuple(fields),
        networks=read_networks(asked.get("networks") or ()),
        **{name: asked.get(name) for name in limits},
    )
    return asked.get("name", ""), narrowing


class TokenOut(serializers.Serializer[AccessToken]):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.ChoiceField(choices=AccessToken.Kind.choices)
    name = serializers.CharField()
    prefix = serializers.CharField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_used_from = serializers.CharField(allow_null=True, help_text="The address of the last request that was noted.")
    only_fields = serializers.ListField(
        allow_null=True, source="fields", child=serializers.CharField(), help_text="Null: all."
    )
    window_from = serializers.DateTimeField(allow_null=True)
    window_until = serializers.DateTimeField(allow_null=True)
    rate_per_minute = serializers.IntegerField(allow_null=True)
    row_cap = serializers.IntegerField(allow_null=True)
    networks = serializers.ListField(child=serializers.CharField())


class NewTokenOut(TokenOut):
    token = serializers.SerializerMethodField(help_text="Shown once. Null in the answer to a repeated request.")
    profile = serializers.SerializerMethodField(help_text="The Delta Sharing profile. Holds the token: keep it safe.")

    def get_token(self, token: AccessToken) -> str:
        return str(self.context["text"])

    def get_profile(self, token: AccessToken) -> dict[str, Any]:
        return dict(self.context["profile"])


class NewClientOut(TokenOut):
    client_id = serializers.SerializerMethodField()
    client_secret = serializers.SerializerMethodField(help_text="Shown once. Null in the answer to a repeated request.")
    profile = serializers.SerializerMethodField(help_text="The Delta Sharing profile. Holds the secret: keep it safe.")

    def get_client_id(self, token: AccessToken) -> str:
        return str(self.context["made"].client_id)

    def get_client_secret(self, token: AccessToken) -> str:
        return str(self.context["made"].secret)

    def get_profile(self, token: AccessToken) -> dict[str, Any]:
        return dict(self.context["profile"])


class DelegableOut(serializers.Serializer[Any]):
    token = serializers.CharField(help_text="A Biscuit. It opens nothing before you add a block of checks.")
    public_key = serializers.CharField(help_text="The key that it is signed with.")
