from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "marketplace.access"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_source

        register_source(kind="access.granted", table="access_accesstoken", column="entry_id")
        register_source(kind="access.revoked", table="access_accesstoken", column="revocation_entry_id")
