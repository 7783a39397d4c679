from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AccountsConfig(AppConfig):
    name = "marketplace.accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from marketplace.accounts.groups import grant_permissions

        post_migrate.connect(grant_permissions, dispatch_uid="marketplace.accounts.groups")
