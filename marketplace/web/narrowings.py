"""What became narrower, in words, for both sides."""

from itertools import pairwise
from typing import Any

from django.utils.timezone import get_current_timezone

from marketplace.consents.models import Consent
from marketplace.consents.services import Terms
from marketplace.web.formats import end_text
from marketplace.web.wording import delay_text, fields_text, join_words, purpose_labels, resolution_label


def narrowings_of(consent: Consent) -> list[dict[str, Any]]:
    """When, by which entry and what, oldest first."""
    changes = list(consent.changes.all())
    terms = [*(Terms.of(change) for change in changes), Terms.of(consent)]
    return [
        {"at": change.at, "entry_id": change.entry_id, "text": change_text(before, after)}
        for change, (before, after) in zip(changes, pairwise(terms), strict=True)
    ]


def change_text(before: Terms, after: Terms) -> str:
    gone = [field for field in before.fields if field not in after.fields]
    ended = [purpose for purpose in before.purposes if purpose not in after.purposes]
    parts = [
        f"No more {fields_text(gone)}." if gone else "",
        f"{resolution_label(after.resolution)}." if after.resolution != before.resolution else "",
        f"{delay_text(after.delay_seconds).capitalize()}." if after.delay_seconds != before.delay_seconds else "",
        f"No longer for {join_words(purpose_labels(ended))}." if ended else "",
        f"Until {end_text(after.valid_until, get_current_timezone())}."
        if after.valid_until != before.valid_until
        else "",
    ]
    return " ".join(part for part in parts if part)
