"""Mail what is told. A letter is claimed before it is sent, so that two workers never send the same one.

Only a worker that dies after the mail server took a letter and before that is written down makes it go out again, once
the claim has run out; both letters carry the same Message-ID, by which mail programs know a repeat.
"""

import logging
import random
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.urls import reverse

from marketplace.notices.kinds import ALWAYS_MAILED, LABELS, NoticeKind
from marketplace.notices.models import Notice
from marketplace.notices.preferences import unsubscribe_address
from marketplace.notices.words import words_of

logger = logging.getLogger(__name__)

BATCH = 10
# Longer than BATCH letters to a mail server that answers none of them in time.
CLAIM = timedelta(minutes=10)
# After the first failure, the second, ...; then a letter counts as failed, about a day after it was due.
RETRY_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 420, 720))
LONGEST_SUBJECT = 140

_CLAIM = """
    UPDATE notices_notice SET mail_due_at = %s, mail_attempts = mail_attempts + 1
    WHERE id IN (
        SELECT id FROM notices_notice WHERE mail_state = 'waiting' AND mail_due_at <= %s
        ORDER BY mail_due_at, id LIMIT %s FOR UPDATE SKIP LOCKED
    )
    RETURNING *
"""


def mail_notices(*, at: datetime) -> int:
    """Claim up to BATCH letters that are due, and send them. Returns how many were claimed."""
    claimed = sorted(Notice.objects.raw(_CLAIM, [at + CLAIM, at, BATCH]), key=lambda notice: notice.pk)
    if claimed:
        with_people = Notice.objects.select_related("user").in_bulk([notice.pk for notice in claimed])
        connection = get_connection()
        for notice in claimed:
            if notice.pk in with_people:
                _mail(with_people[notice.pk], connection, at)
    return len(claimed)


def letter_of(notice: Notice) -> EmailMessage:
    kind, user = NoticeKind(notice.kind), notice.user
    words = words_of(notice, user.time_zone)
    unsubscribe = "" if kind in ALWAYS_MAILED else unsubscribe_address(user, kind)
    text = render_to_string(
        "notices/_letter.txt",
        {
            "words": words,
            "label": LABELS[kind],
            "address": settings.PUBLIC_URL + reverse("notice_opening", args=[notice.public_id]),
            "unsubscribe_address": unsubscribe,
            "settings_address": settings.PUBLIC_URL + reverse("notice_settings"),
        },
    )
    host = urlsplit(settings.PUBLIC_URL).hostname
    headers = {"Message-ID": f"<notice-{notice.public_id}@{host}>", "Auto-Submitted": "auto-generated"}
    if unsubscribe:
        # RFC 8058: mail programs show a button that posts to the address, without a log-in.
        headers["List-Unsubscribe"] = f"<{unsubscribe}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return EmailMessage(words.subject[:LONGEST_SUBJECT], text, to=[user.email], headers=headers)


def _mail(notice: Notice, connection: BaseEmailBackend, at: datetime) -> None:
    try:
        letter = letter_of(notice)
        letter.connection = connection
        letter.send()
    except (SMTPException, OSError) as error:
        _note_failure(notice, error, at)
    else:
        own = Notice.objects.filter(pk=notice.pk, mail_state=Notice.Mail.WAITING)
        own.update(mail_state=Notice.Mail.SENT, mail_sent_at=at, mail_due_at=None, mail_error="")
        logger.info("notice.mailed", extra={"notice_id": str(notice.public_id), "kind": notice.kind})


def _note_failure(notice: Notice, error: Exception, at: datetime) -> None:
    """What the server said may name the address, so only its number is kept."""
    reason = type(error).__name__
    code = error.smtp_code if isinstance(error, SMTPResponseException) else 0
    if isinstance(error, SMTPRecipientsRefused):
        code = min((answer[0] for answer in error.recipients.values()), default=0)
    is_final = 500 <= code < 600 or notice.mail_attempts > len(RETRY_AFTER)
    changes = {"mail_error": f"{reason} {code or ''}".strip()}
    if is_final:
        Notice.objects.filter(pk=notice.pk).update(mail_state=Notice.Mail.FAILED, mail_due_at=None, **changes)
    else:
        rest = RETRY_AFTER[notice.mail_attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311 - spreads the load only.
        Notice.objects.filter(pk=notice.pk).update(mail_due_at=at + rest, **changes)
    extra = {"notice_id": str(notice.public_id), "reason": reason, "is_final": is_final}
    logger.log(logging.ERROR if is_final else logging.WARNING, "notice.mail_failed", extra=extra)
