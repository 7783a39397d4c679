from django.apps import AppConfig


class WalletConfig(AppConfig):
    name = "marketplace.wallet"
    default_auto_field = "django.db.models.BigAutoField"
