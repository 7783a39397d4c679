from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "marketplace.accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from ledger.reconciliation import register_subjects
        from marketplace.accounts.groups import grant_permissions
        from marketplace.timestamps import read_quickly

        for kind, since in (
            ("device.enrolled", "enrolled_at"),
            ("device.handed_over", "handed_over_at"),
            ("device.retired", "retired_at"),
        ):
            register_subjects(
                kind=kind, table="devices_device", column="public_id", since=since, subject="device", person="owner"
            )
        connection_created.connect(read_quickly, dispatch_uid="marketplace.timestamps")
        post_migrate.connect(grant_permissions, dispatch_uid="marketplace.accounts.groups")
