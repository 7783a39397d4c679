"""Named places where a test may let the process die, to see what a crash leaves behind."""

import itertools
import os
import signal

from django.conf import settings

VARIABLE = "OWNSTREAM_FAULT"
_passes = itertools.count(1)


def fault_point(name: str) -> None:
    """Die here, as by kill -9, when the environment names this place ("after_tiles", or "after_tiles:3" to die at the
    third pass). Never in production.
    """
    wanted, _, count = os.environ.get(VARIABLE, "").partition(":")
    if wanted == name and not settings.IS_PRODUCTION and next(_passes) >= int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
