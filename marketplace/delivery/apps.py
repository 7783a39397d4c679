from django.apps import AppConfig


class DeliveryConfig(AppConfig):
    name = "marketplace.delivery"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_source

        register_source(kind="delivery.derived", table="delivery_derivation", column="entry_id")
        register_source(kind="delivery.segments", table="delivery_segmentbatch", column="entry_id")
        register_source(kind="delivery.summary", table="delivery_readsummary", column="entry_id")
