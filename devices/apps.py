from django.apps import AppConfig
from django.db.models.signals import post_migrate


class DevicesConfig(AppConfig):
    name = "devices"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from devices.arrivals import begin_epoch

        post_migrate.connect(begin_epoch, sender=self, dispatch_uid="devices.arrivals")
