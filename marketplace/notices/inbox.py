"""What a person does with the inbox."""

from datetime import datetime

from marketplace.accounts.models import User
from marketplace.notices.models import Notice

# More is shown as "99+".
MOST_COUNTED = 100


def unread_count(user: User) -> int:
    """Count what a person has not read, up to MOST_COUNTED: every page asks this."""
    return Notice.objects.for_person(user).unread().order_by()[:MOST_COUNTED].count()


def mark_read(*, notice: Notice, at: datetime) -> None:
    Notice.objects.filter(pk=notice.pk).unread().update(read_at=at)


def mark_unread(*, notice: Notice) -> None:
    Notice.objects.filter(pk=notice.pk).update(read_at=None)


def mark_all_read(*, user: User, at: datetime) -> int:
    """Mark what was there by then; what comes meanwhile stays unread. Returns how many."""
    return Notice.objects.for_person(user).unread().filter(at__lte=at).update(read_at=at)
