from django.apps import AppConfig


class ListingsConfig(AppConfig):
    name = "marketplace.listings"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_source

        register_source(kind="listing.published", table="listings_listingrevision", column="entry_id")
        register_source(kind="listing.withdrawn", table="listings_listing", column="withdrawal_entry_id")
        register_source(kind="offer.made", table="listings_plan", column="entry_id")
