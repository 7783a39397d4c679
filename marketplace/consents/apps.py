from django.apps import AppConfig


class ConsentsConfig(AppConfig):
    name = "marketplace.consents"
    default_auto_field = "django.db.models.BigAutoField"
