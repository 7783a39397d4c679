from django.contrib import admin

from marketplace.purchases.models import Purchase
from marketplace.readonly import ReadOnlyAdmin


@admin.register(Purchase)
class PurchaseAdmin(ReadOnlyAdmin):
    list_display = ("public_id", "listing", "buyer", "price_micros", "fee_micros", "currency", "purchased_at")
    list_filter = ("plan__kind", "currency")
    list_select_related = ("listing", "buyer")
    date_hierarchy = "purchased_at"
    search_fields = ("=public_id", "=entry_id", "=listing__public_id", "buyer__email", "listing__title")
