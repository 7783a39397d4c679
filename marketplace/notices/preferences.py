"""Which kinds of notices a person wants as mail. The inbox shows all of them, always."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.urls import reverse

from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.notices.errors import LinkInvalid, MailRequired
from marketplace.notices.kinds import ALWAYS_MAILED, NoticeKind
from marketplace.notices.models import MutedMail

_SALT = "notices.unsubscribe"


def muted_kinds(user: User) -> set[NoticeKind]:
    return {NoticeKind(kind) for kind in MutedMail.objects.filter(user=user).values_list("kind", flat=True)}


@transaction.atomic
def choose_mailed_kinds(*, user: User, kinds: Collection[NoticeKind], at: datetime) -> None:
    """Mail the person these kinds, those that are always mailed, and no others."""
    hold_account(user)
    muted = set(NoticeKind) - set(kinds) - ALWAYS_MAILED
    MutedMail.objects.filter(user=user).exclude(kind__in=muted).delete()
    rows = [MutedMail(user=user, kind=kind.value, muted_at=at) for kind in sorted(muted)]
    MutedMail.objects.bulk_create(rows, ignore_conflicts=True)


def unsubscribe_address(user: User, kind: NoticeKind) -> str:
    """The address that switches the mail of a kind off for whoever holds it, logged in or not."""
    token = signing.dumps([user.public_id.hex, kind.value], salt=_SALT)
    return settings.PUBLIC_URL + reverse("mail_unsubscription", args=[token])


def read_unsubscribe_link(token: str) -> tuple[User, NoticeKind]:
    """Say whose mail of which kind a link switches off. It does not age: old letters may be answered, too.

    Raises: LinkInvalid, MailRequired.
    """
    try:
        person, kind = signing.loads(token, salt=_SALT)
        user = User.objects.get(public_id=UUID(person), erased_at=None)
        found = NoticeKind(kind)
    except (signing.BadSignature, ValueError, TypeError, User.DoesNotExist) as error:
        raise LinkInvalid from error
    if found in ALWAYS_MAILED:
        raise MailRequired
    return user, found


@transaction.atomic
def mute_by_link(*, token: str, at: datetime) -> NoticeKind:
    """Mail no more of what the letter was about. A repeat changes nothing. Raises: LinkInvalid, MailRequired."""
    user, kind = read_unsubscribe_link(token)
    hold_account(user)
    MutedMail.objects.get_or_create(user=user, kind=kind.value, defaults={"muted_at": at})
    return kind
