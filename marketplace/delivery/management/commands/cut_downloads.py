"""Watch for withdrawals, and end what nginx sends of files that they close. Runs until it is stopped."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import close_old_connections
from django.utils import timezone

from marketplace.delivery.doors.handing_over import WATCH_EVERY_SECONDS, cut_ended_downloads, is_watched, tell_watched


class Command(BaseCommand):
    help = (
        "End downloads that nginx sends within a second of a withdrawal. While it does not run, the web sends itself."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say whether somebody watches; exit 1 if nobody")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["check"]:
            if not is_watched():
                raise CommandError("Nobody watches: nothing long is handed over.")
            return
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        while not stop.is_set():
            close_old_connections()
            cut_ended_downloads(timezone.now())
            tell_watched()
            stop.wait(WATCH_EVERY_SECONDS)
