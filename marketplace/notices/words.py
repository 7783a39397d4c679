"""The words of a notice, made of its kind and its facts when somebody looks."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils import timezone

from marketplace.notices.kinds import INSTANTS
from marketplace.notices.models import Notice


@dataclass(frozen=True)
class Words:
    """subject: one line. text: what follows from it."""

    subject: str
    text: str


def words_of(notice: Notice, time_zone: str | None = None) -> Words:
    """Word a notice as plain text, with times in that time zone; without one in that of whoever looks at the page."""
    facts = {name: _read_fact(name, value) for name, value in notice.facts.items()}
    with timezone.override(ZoneInfo(time_zone) if time_zone else timezone.get_current_timezone()):
        # What the template gets is no HTML: whoever shows it on a page escapes it there.
        text = render_to_string(f"notices/{notice.kind}.txt", facts)
    subject, _, rest = text.strip().partition("\n")
    return Words(subject.strip(), rest.strip())


def _read_fact(name: str, value: str | int) -> str | int | datetime:
    """A title of several lines would end the subject."""
    if isinstance(value, int):
        return value
    return datetime.fromisoformat(value) if name in INSTANTS else " ".join(value.split())
