from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "marketplace.web"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Forms need the applications loaded.
        from marketplace.web.forms.required import say_what_to_do

        say_what_to_do()
