import logging

from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)


def nudge() -> None:
    """Have what is left of an erasure removed soon. When the broker is away, beat does the same a little later."""
    from marketplace.erasure.tasks import finish_erasures_task

    try:
        finish_erasures_task.apply_async(retry=False)
    except (KombuError, OSError):
        logger.warning("erasure.nudge_lost")
