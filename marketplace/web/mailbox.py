"""The mail of the embedded run, which lands in a folder instead of leaving the machine."""

import email
import email.policy
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

# Django's file backend writes one file per connection; each message in it ends with a line of 79 hyphens.
_SEPARATOR = b"\n" + b"-" * 79 + b"\n"
_NAME = re.compile(r"^[0-9]{8}-[0-9]{6}-[0-9]+\.log$")


@dataclass(frozen=True)
class Mail:
    """name: what its address ends in; sent_at: when the file was written."""

    name: str
    subject: str
    to: str
    sent_at: datetime
    text: str


def read_mailbox(folder: Path, *, limit: int) -> list[Mail]:
    """Return the newest messages first."""
    files = sorted((path for path in folder.glob("*.log") if _NAME.match(path.name)), reverse=True)
    mails: list[Mail] = []
    for path in files:
        mails += reversed(_read_file(path))
        if len(mails) >= limit:
            break
    return mails[:limit]


def find_mail(folder: Path, name: str) -> Mail | None:
    """name: of the form FILE.NUMBER, as read_mailbox gives it. Anything else, such as a path, finds nothing."""
    file_name, _, _ = name.rpartition(".")
    if not _NAME.match(file_name) or not (folder / file_name).is_file():
        return None
    return next((mail for mail in _read_file(folder / file_name) if mail.name == name), None)


def _read_file(path: Path) -> list[Mail]:
    sent_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    parts = [part for part in path.read_bytes().split(_SEPARATOR) if part.strip()]
    return [_read_mail(f"{path.name}.{place}", part, sent_at) for place, part in enumerate(parts)]


def _read_mail(name: str, part: bytes, sent_at: datetime) -> Mail:
    message = email.message_from_bytes(part.lstrip(b"\n"), policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    return Mail(
        name=name,
        subject=str(message["Subject"] or "(no subject)"),
        to=str(message["To"] or ""),
        sent_at=sent_at,
        text=str(body.get_content()) if body else "",
    )
