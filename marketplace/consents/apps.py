from django.apps import AppConfig


class ConsentsConfig(AppConfig):
    name = "marketplace.consents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_source

        register_source(kind="consent.granted", table="consents_consent", column="entry_id")
        register_source(kind="consent.narrowed", table="consents_consentchange", column="entry_id")
        register_source(kind="consent.withdrawn", table="consents_consent", column="withdrawal_entry_id")
