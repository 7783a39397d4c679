from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from ledger.errors import LedgerError
from ledger.rotation import Rotation, begin_rotation, current_rotation, finish_rotation
from ledger.signing import log_verifier_keys

SET_SEEDS = """\
The seed is in the environment, so only you can change it. In this order:
1. Make a seed: python3 -c "import secrets; print(secrets.token_hex(32))"
2. For the sequencer: LEDGER_PREVIOUS_SEED_HEX = the seed of now, LEDGER_SEED_HEX = the new one. Restart it first:
   from then on both keys sign, and whoever knows the older one alone still verifies.
3. Ask it for the keys with LEDGER_VKEY empty: manage.py log_vkey. Set LEDGER_VKEY everywhere to these two and
   whatever older keys it held, newest first, with spaces between them. Restart all other processes.
4. Run this command again where the sequencer runs: it records both keys in the log.
5. Give the new key to the witnesses and to everybody who verifies the log.
6. When the overlap is over: this command with --finish."""
UNSET_SEED = """\
Now remove LEDGER_PREVIOUS_SEED_HEX and restart the sequencer. Leave the older key in LEDGER_VKEY for ever: old receipts
are verified with it."""


class Command(BaseCommand):
    help = "Replace the log's signing key: both sign for a while; with --finish the older one signs no more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--overlap-days", type=int, default=30, help="how long both sign, as the log announces it")
        parser.add_argument("--finish", action="store_true")
        parser.add_argument("--early", action="store_true", help="finish before the announced day: a stolen key")

    def handle(self, *args: Any, overlap_days: int, finish: bool, early: bool, **options: Any) -> None:
        if overlap_days < 1:
            raise CommandError("Both keys sign for a day at least.")
        try:
            if finish:
                self._tell_finished(finish_rotation(is_early=early, at=timezone.now()))
            elif settings.LEDGER_SEED_HEX and current_rotation() is None:
                self.stdout.write(SET_SEEDS)
            else:
                self._tell_begun(begin_rotation(overlap=timedelta(days=overlap_days), at=timezone.now()))
        except LedgerError as error:
            raise CommandError(str(error)) from error

    def _tell_begun(self, rotation: Rotation) -> None:
        self.stdout.write(f"Both keys sign from the next checkpoint on, and the log records it.\nOld: {rotation.old}")
        self.stdout.write(f"New: {rotation.new}")
        self._tell_list(rotation.new)
        self.stdout.write("Give the new key to the witnesses and to everybody who verifies the log, then --finish.")

    def _tell_finished(self, rotation: Rotation) -> None:
        self.stdout.write(f"Only this key signs from now on: {rotation.new}")
        self.stdout.write(UNSET_SEED if settings.LEDGER_PREVIOUS_SEED_HEX else "The older seed was removed.")
        self._tell_list(rotation.new)

    def _tell_list(self, new: Any) -> None:
        keys = log_verifier_keys()
        if settings.LEDGER_VKEY and new not in keys:
            listed = " ".join(map(str, [new, *keys]))
            self.stdout.write(f"Set this everywhere and restart every process: LEDGER_VKEY={listed}")
        elif not settings.LEDGER_VKEY:
            self.stdout.write("Running processes that read the key files take this up by themselves.")
