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


DAY_SECONDS = 86_400


class PlanIn(serializers.Serializer[Any]):
    """What a kind does not have is left out; see the kinds in Plan."""

    kind = serializers.ChoiceField(choices=Plan.Kind.choices)
    price_micros = serializers.IntegerField(
        min_value=0, default=0, help_text="All-in price in millionths of the currency unit; 0 for free, trial, metered."
    )
    period_seconds = serializers.IntegerField(
        min_value=1, required=False, allow_null=True, default=None, help_text="Of a period, from one hour."
    )
    period_days = serializers.IntegerField(
        min_value=1, required=False, allow_null=True, default=None, help_text="The same in days."
    )
    is_renewing = serializers.BooleanField(required=False, default=False, help_text="A period that renews by itself.")
    micros_per_1000_rows = serializers.IntegerField(
        min_value=0, required=False, allow_null=True, default=None, help_text="Of a metered plan, all-in."
    )
    free_rows = serializers.IntegerField(min_value=0, required=False, default=0, help_text="Each calendar month.")
    base_micros = serializers.IntegerField(min_value=0, required=False, default=0, help_text="Each calendar month.")
    cap_micros = serializers.IntegerField(
        min_value=0, required=False, allow_null=True, default=None, help_text="The most that a calendar month costs."
    )
    trial_seconds = serializers.IntegerField(min_value=1, required=False, allow_null=True, default=None)
    trial_rows = serializers.IntegerField(min_value=1, required=False, allow_null=True, default=None)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        days = attrs.pop("period_days", None)
        if days is not None:
            attrs["period_seconds"] = days * DAY_SECONDS
        return attrs


class PlansIn(serializers.Serializer[Any]):
    plans = PlanIn(many=True)


class PriceIn(serializers.Serializer[Any]):
    """Either price_micros or, of a metered plan, the others."""

    price_micros = serializers.IntegerField(min_value=1, required=False)
    micros_per_1000_rows = serializers.IntegerField(min_value=1, required=False)
    free_rows = serializers.IntegerField(min_value=0, required=False)
    base_micros = serializers.IntegerField(min_value=0, required=False)
    cap_micros = serializers.IntegerField(min_value=0, required=False, allow_null=True)


class OfferIn(PlanIn):
    email = serializers.EmailField()
    until = serializers.DateTimeField()


class CapIn(serializers.Serializer[Any]):
    cap_micros = serializers.IntegerField(min_value=0, allow_null=True)


class RenewalIn(serializers.Serializer[Any]):
    is_renewing = serializers.BooleanField()


class PlanOut(serializers.Serializer[Plan]):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    price_micros = serializers.IntegerField()
    currency = serializers.CharField()
    period_seconds = serializers.IntegerField(allow_null=True)
    period_days = serializers.SerializerMethodField(help_text="Null unless the period is whole days.")
    is_renewing = serializers.BooleanField()
    micros_per_1000_rows = serializers.IntegerField(allow_null=True)
    free_rows = serializers.IntegerField()
    base_micros = serializers.IntegerField()
    cap_micros = serializers.IntegerField(allow_null=True)
    trial_seconds = serializers.IntegerField(allow_null=True)
    trial_rows = serializers.IntegerField(allow_null=True)
    offer_until = serializers.DateTimeField(allow_null=True, help_text="Of an offer that was made to you alone.")

    def get_period_days(self, plan: Plan) -> int | None:
        days, rest = divmod(plan.period_seconds or 0, DAY_SECONDS)
        return days if days and not rest else None


class QualityOut(serializers.Serializer[ListingQuality]):
    measured_at = serializers.DateTimeField()
    row_count = serializers.IntegerField()
    reading_count = serializers.IntegerField()
    first_reading_at = serializers.DateTimeField(allow_null=True)
    last_reading_at = serializers.DateTimeField(allow_null=True)
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
    published_at = serializers.DateTimeField(allow_null=True)
    withdrawn_at = serializers.DateTimeField(allow_null=True)
    plans = PlanOut(many=True, source="public_plans")
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
