from django.apps import AppConfig


class ErasureConfig(AppConfig):
    name = "marketplace.erasure"
    default_auto_field = "django.db.models.BigAutoField"
