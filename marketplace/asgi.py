"""The live stream's process; see docs/operations.md. Pages and all other doors are served by wsgi.py."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
django.setup()

from marketplace.delivery.live.app import LiveApp  # noqa: E402 - models need the line above.

application = LiveApp()
