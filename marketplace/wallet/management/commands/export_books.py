"""Write the whole journal to standard output, for a checker that others wrote."""

from typing import Any

from django.core.management.base import BaseCommand

from marketplace.wallet.journal import beancount_journal


class Command(BaseCommand):
    help = "Write all accounts and transfers in Beancount's syntax to standard output. They name nobody."

    def handle(self, *args: Any, **options: Any) -> None:
        for text in beancount_journal():
            self.stdout.write(text, ending="")
