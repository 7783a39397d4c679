from typing import Any

from rest_framework import serializers

from marketplace.listings.models import Category, Listing, ListingQuality, Plan


class DraftIn(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=120)
    summary = serializers.CharField(max_length=4000)
    category = serializers.ChoiceField(choices=Category.choices)
    licence_text = serializers.CharField(max_length=8000)


class NewListingIn(DraftIn):
    consent = serializers.UUIDField()


class PlanIn(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=Plan.Kind.choices)
    price_micros = serializers.IntegerField(min_value=0, help_text="All-in price in millionths of the currency unit.")
    period_days = serializers.IntegerField(min_value=1, required=False, allow_null=True, default=None)


class PlansIn(serializers.Serializer[Any]):
    plans = PlanIn(many=True)


class PriceIn(serializers.Serializer[Any]):
    price_micros = serializers.IntegerField(min_value=1)


class PlanOut(serializers.Serializer[Plan]):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    price_micros = serializers.IntegerField()
    currency = serializers.CharField()
    period_days = serializers.IntegerField()


class QualityOut(serializers.Serializer[ListingQuality]):
    measured_at = serializers.DateTimeField()
    row_count = serializers.IntegerField()
    reading_count = serializers.IntegerField()
    first_reading_at = serializers.DateTimeField()
    last_reading_at = serializers.DateTimeField()
    coverage = serializers.FloatField()
    gap_count = serializers.IntegerField()
    signed_share = serializers.FloatField()


class ListingOut(serializers.Serializer[Listing]):
    id = serializers.UUIDField(source="public_id")
    title = serializers.CharField()
    summary = serializers.CharField()
    category = serializers.CharField()
    licence_text = serializers.CharField()
    country = serializers.CharField()
    measures = serializers.ListField(child=serializers.CharField())
    seller = serializers.CharField(source="seller.pseudonym")
    resolution = serializers.CharField(source="consent.resolution")
    delay_seconds = serializers.IntegerField(source="consent.delay_seconds")
    purposes = serializers.ListField(child=serializers.CharField(), source="consent.purposes")
    valid_until = serializers.DateTimeField(
        source="consent.valid_until", help_text="When the consent ends. No plan that lasts longer can be bought."
    )
    published_at = serializers.DateTimeField()
    withdrawn_at = serializers.DateTimeField()
    plans = PlanOut(many=True)
    quality = serializers.SerializerMethodField()

    def get_quality(self, listing: Listing) -> dict[str, Any] | None:
        quality = getattr(listing, "quality", None)
        return dict(QualityOut(quality).data) if quality else None


class CatalogueQuery(serializers.Serializer[Any]):
    q = serializers.CharField(required=False, default="", max_length=200)
    category = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    measure = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    price = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    freshness = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    country = serializers.ListField(child=serializers.CharField(), required=False, default=list)
    sort = serializers.CharField(required=False, default="")
    after = serializers.UUIDField(required=False, default=None, allow_null=True)
