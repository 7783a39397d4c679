from django.apps import AppConfig


class PurchasesConfig(AppConfig):
    name = "marketplace.purchases"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_source

        register_source(kind="purchase.recorded", table="purchases_purchase", column="entry_id")
        register_source(kind="purchase.changed", table="purchases_purchasechange", column="entry_id")
        register_source(kind="refund.made", table="purchases_refund", column="entry_id")
