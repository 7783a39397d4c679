from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "marketplace.access"
    default_auto_field = "django.db.models.BigAutoField"
