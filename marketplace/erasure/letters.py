"""Letters of an erased person: the last one, and those that the embedded run keeps instead of sending them."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.template.loader import render_to_string

logger = logging.getLogger(__name__)


def send_farewell(*, address: str, at: datetime) -> None:
    """Tell the old address. From here on nobody knows it, so a letter that fails is not tried again."""
    text = render_to_string("erasure/farewell.txt", {"at": at, "market": settings.PUBLIC_URL})
    try:
        send_mail("Ownstream: your account is erased", text, settings.DEFAULT_FROM_EMAIL, [address])
    except (SMTPException, OSError) as error:
        # What the server said may name the address.
        logger.warning("erasure.letter_lost", extra={"reason": type(error).__name__})


def remove_letters(addresses: Sequence[str]) -> None:
    """Delete the letters to these addresses from the embedded run's mail folder. Elsewhere letters leave the server."""
    if not settings.IS_EMBEDDED:
        return
    wanted = [address.encode() for address in addresses]
    for path in Path(settings.MAIL_FOLDER).glob("*.log"):
        content = path.read_bytes().lower()
        if any(address in content for address in wanted):
            path.unlink(missing_ok=True)
