from django.apps import AppConfig


class InvoicesConfig(AppConfig):
    name = "marketplace.invoices"
    default_auto_field = "django.db.models.BigAutoField"
