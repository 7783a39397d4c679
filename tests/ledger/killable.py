"""A sequencer that can be killed again and again without starting Python anew each time.

For every line "FAULT" on standard input it forks a real process that works the outbox off with that fault set, waits
until it is dead, and writes how it ended: -9 when it was killed, 0 when the outbox was empty.
"""

import itertools
import os
import signal
import sys
from collections.abc import Callable

import django


def main() -> None:
    django.setup()
    from django.db import connections

    connections["default"].settings_dict["NAME"] = os.environ["LEDGER_TEST_DATABASE"]
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sequence(line.strip())
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def sequence(fault: str) -> None:
    from django.utils import timezone

    from ledger.faults import watch_faults
    from ledger.services import sequence_batch

    watch_faults(killer(fault))
    try:
        while sequence_batch(at=timezone.now(), limit=90):
            pass
    except BaseException as error:  # noqa: BLE001 - the parent reads it
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)


def killer(fault: str) -> Callable[[str], None]:
    """fault: "after_tree", or "after_tree:3" to die at the third pass."""
    wanted, _, count = fault.partition(":")
    passes = itertools.count(1)

    def die(place: str) -> None:
        if place == wanted and next(passes) >= int(count or 1):
            os.kill(os.getpid(), signal.SIGKILL)

    return die


if __name__ == "__main__":
    main()
