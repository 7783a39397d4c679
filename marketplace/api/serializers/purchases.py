from datetime import datetime
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from marketplace.delivery.reads.sight import AccessFacts
from marketplace.purchases.models import Purchase, Refund


class PurchaseIn(serializers.Serializer[Any]):
    listing = serializers.UUIDField()
    plan = serializers.UUIDField()
    quoted_micros = serializers.IntegerField(min_value=0, help_text="The price that you were shown.")


class ReadsOut(serializers.Serializer[Any]):
    read_count = serializers.IntegerField()
    row_count = serializers.IntegerField()
    last_read_at = serializers.DateTimeField(allow_null=True, source="last_at")


class PurchaseOut(serializers.Serializer[Purchase]):
    id = serializers.UUIDField(source="public_id")
    listing = serializers.UUIDField(source="listing.public_id")
    plan = serializers.UUIDField(source="plan.public_id")
    price_micros = serializers.IntegerField()
    fee_micros = serializers.IntegerField()
    tax_micros = serializers.IntegerField(help_text="The VAT inside the price.")
    tax_basis_points = serializers.IntegerField()
    tax_treatment = serializers.CharField()
    refunded_micros = serializers.IntegerField()
    currency = serializers.CharField()
    purchased_at = serializers.DateTimeField()
    window_from = serializers.DateTimeField(allow_null=True)
    window_until = serializers.DateTimeField()
    access_until = serializers.DateTimeField()
    entry_id = serializers.UUIDField()
    entry_index = serializers.SerializerMethodField(help_text="Null until it is in a signed checkpoint.")
    is_ready = serializers.SerializerMethodField()
    ended = serializers.SerializerMethodField(
        help_text="consent_withdrawn, listing_withdrawn, given_back, over, or empty while the data can be loaded."
    )
    reads = serializers.SerializerMethodField(help_text="What was loaded so far.")
    paid_micros = serializers.SerializerMethodField(help_text="With renewals and bills, without what was refunded.")

    def get_ended(self, purchase: Purchase) -> str:
        return str(self.context["facts"][purchase.pk].ended)

    @extend_schema_field(ReadsOut)
    def get_reads(self, purchase: Purchase) -> dict[str, Any]:
        return dict(ReadsOut(self.context["facts"][purchase.pk].reads).data)

    def get_paid_micros(self, purchase: Purchase) -> int:
        return int(self.context["facts"][purchase.pk].paid_micros)

    def get_entry_index(self, purchase: Purchase) -> int | None:
        index: int | None = self.context["entry_indices"].get(purchase.entry_id)
        return index

    def get_is_ready(self, purchase: Purchase) -> bool:
        return purchase.pk in self.context["ready_pks"]


class AccessOut(serializers.Serializer[Purchase]):
    """One purchase of an owner's data, its renewals and bills included."""

    purchase = serializers.UUIDField(source="public_id")
    listing = serializers.UUIDField(source="listing.public_id")
    consent = serializers.UUIDField(source="listing.consent.public_id")
    buyer = serializers.CharField(source="buyer.pseudonym")
    purchased_at = serializers.DateTimeField()
    is_renewing = serializers.BooleanField()
    access_until = serializers.SerializerMethodField()
    ended = serializers.SerializerMethodField(
        help_text="consent_withdrawn, listing_withdrawn, given_back, over, or empty while the data can be read."
    )
    reads = serializers.SerializerMethodField()
    earned_micros = serializers.SerializerMethodField()
    currency = serializers.CharField()

    def get_access_until(self, purchase: Purchase) -> datetime:
        return self._facts(purchase).until

    def get_ended(self, purchase: Purchase) -> str:
        return self._facts(purchase).ended

    @extend_schema_field(ReadsOut)
    def get_reads(self, purchase: Purchase) -> dict[str, Any]:
        return dict(ReadsOut(self._facts(purchase).reads).data)

    def get_earned_micros(self, purchase: Purchase) -> int:
        return self._facts(purchase).earned_micros

    def _facts(self, purchase: Purchase) -> AccessFacts:
        facts: AccessFacts = self.context["facts"][purchase.pk]
        return facts


class ReturnOut(serializers.Serializer[Any]):
    refund_micros = serializers.IntegerField(help_text="What comes back for the asking now.")
    currency = serializers.CharField()
    refusal = serializers.CharField(
        allow_null=True, help_text="The code of what stands in the way; null where nothing does."
    )


class RefundOut(serializers.Serializer[Refund]):
    id = serializers.UUIDField(source="public_id")
    amount_micros = serializers.IntegerField()
    reason = serializers.CharField()
    at = serializers.DateTimeField()
