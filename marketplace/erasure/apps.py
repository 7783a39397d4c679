from django.apps import AppConfig


class ErasureConfig(AppConfig):
    name = "marketplace.erasure"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_source

        register_source(kind="device.readings_deleted", table="erasure_readingsdeletion", column="entry_id")
