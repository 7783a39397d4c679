"""What becomes of an account's own rows when it is erased, and the lock between that and whatever the person does."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import models

from marketplace.accounts.errors import AccountErased
from marketplace.accounts.models import User

# RFC 2606: mail to it goes nowhere.
NO_MAIL = "erased.invalid"
NO_NAME = "Erased account"


@dataclass(frozen=True, slots=True)
class ErasedPerson:
    """Who the account was. Never to be stored. addresses: in lower case, the one that letters went to first."""

    public_id: UUID
    addresses: list[str]


def hold_account(user: User) -> None:
    """Hold off the erasure of an account until the running transaction ends. Take it first of all locks.

    Raises: AccountErased.
    """
    row = User.objects.raw("SELECT id, erased_at FROM accounts_user WHERE id = %s FOR SHARE", [user.pk])
    if any(found.erased_at is not None for found in row):
        raise AccountErased


def lock_account(user: User) -> User:
    """Wait for whatever the person is doing, and hold off more until the running transaction ends."""
    # Not the strongest lock: rows that refer to the account may still be written by others meanwhile.
    return User.objects.select_for_update(no_key=True).get(pk=user.pk)


def blank_account(*, user: User, at: datetime) -> ErasedPerson:
    """Make a locked account one that says nothing of a person, and delete every row that belongs to it alone.

    What the law keeps refers to it under a new public id.
    """
    addresses = [user.email.lower()]
    found = EmailAddress.objects.filter(user=user).values_list("email", flat=True)
    addresses += sorted({address.lower() for address in found} - set(addresses))
    person = ErasedPerson(user.public_id, addresses)
    _delete_sessions(user, addresses)
    _delete_notes_of_staff(user)
    _delete_own_rows(user)
    user.groups.clear()
    user.user_permissions.clear()
    user.public_id, user.display_name = uuid4(), NO_NAME
    user.email = f"{uuid4().hex}@{NO_MAIL}"
    user.set_unusable_password()
    user.time_zone, user.country, user.last_login = "UTC", "", None
    user.is_active = user.is_staff = user.is_superuser = False
    user.date_joined = user.erased_at = at.replace(hour=0, minute=0, second=0, microsecond=0)
    user.save()
    return person


def _delete_own_rows(user: User) -> None:
    """What would go with a deleted account belongs to it alone: addresses, passkeys, keys, answers kept for repeats."""
    for relation in User._meta.related_objects:
        model = relation.related_model
        if relation.on_delete is models.CASCADE and model is not LogEntry and not relation.many_to_many:
            apps.get_model(model._meta.label).objects.filter(**{relation.field.name: user}).delete()


def _delete_notes_of_staff(user: User) -> None:
    """The admin panel notes what staff changed about a person under the person's address."""
    own: dict[type[models.Model], list[int]] = {User: [user.pk]}
    for relation in User._meta.related_objects:
        if relation.on_delete is models.CASCADE and not relation.many_to_many:
            model = relation.related_model
            own[model] = list(model._default_manager.filter(**{relation.field.name: user}).values_list("pk", flat=True))
    for model, pks in own.items():
        of_model = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model))
        of_model.filter(object_id__in=[str(pk) for pk in pks]).delete()


def _delete_sessions(user: User, addresses: list[str]) -> None:
    """Sessions cannot be searched: each is read. A half-finished sign-up holds an address without an account."""
    doomed = []
    for session in Session.objects.all().iterator():
        content = session.get_decoded()
        text = str(content).lower()
        if content.get("_auth_user_id") == str(user.pk) or any(address in text for address in addresses):
            doomed.append(session.pk)
    Session.objects.filter(pk__in=doomed).delete()
