from django.apps import AppConfig


class HandoversConfig(AppConfig):
    name = "marketplace.handovers"
    default_auto_field = "django.db.models.BigAutoField"
