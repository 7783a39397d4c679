"""What a person does with the webhooks of his programs."""

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from marketplace.accounts.models import User
from marketplace.accounts.services import hold_account
from marketplace.notices.errors import KindsMissing, TooManyWebhooks, WebhookOff, WebhookUrlRefused
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import WebhookDelivery, WebhookEndpoint
from marketplace.notices.nudge import nudge_deliverer
from marketplace.notices.sealing import seal
from marketplace.notices.signatures import new_secret, secret_text
from marketplace.notices.targets import TargetRefused, parse_target

MOST_ENDPOINTS = 10
# So long the secret before a new one signs as well, so that a program can change over without missing anything.
BOTH_SIGN = timedelta(hours=24)


@transaction.atomic
def add_webhook(*, user: User, url: str, kinds: Collection[NoticeKind], at: datetime) -> tuple[WebhookEndpoint, str]:
    """Have a program told. The text of its secret is returned once and never shown again.

    Raises: WebhookUrlRefused, KindsMissing, TooManyWebhooks.
    """
    hold_account(user)
    _check(url, kinds)
    # The person's row is locked so that two at once don't get past the limit.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if WebhookEndpoint.objects.filter(user=user).count() >= MOST_ENDPOINTS:
        raise TooManyWebhooks
    secret = new_secret()
    endpoint = WebhookEndpoint.objects.create(
        user=user, url=url, kinds=sorted(kinds), sealed_secret=seal(secret), created_at=at
    )
    return endpoint, secret_text(secret)


@transaction.atomic
def change_webhook(*, endpoint: WebhookEndpoint, url: str, kinds: Collection[NoticeKind]) -> WebhookEndpoint:
    """Raises: WebhookUrlRefused, KindsMissing."""
    hold_account(endpoint.user)
    _check(url, kinds)
    locked = _locked(endpoint)
    locked.url, locked.kinds = url, sorted(kinds)
    locked.save(update_fields=["url", "kinds"])
    return locked


@transaction.atomic
def rotate_webhook_secret(*, endpoint: WebhookEndpoint, at: datetime) -> tuple[WebhookEndpoint, str]:
    """Make a new secret; the one before signs as well for BOTH_SIGN. The text is returned once."""
    hold_account(endpoint.user)
    locked, secret = _locked(endpoint), new_secret()
    locked.previous_sealed_secret, locked.previous_until = locked.sealed_secret, at + BOTH_SIGN
    locked.sealed_secret = seal(secret)
    locked.save(update_fields=["previous_sealed_secret", "previous_until", "sealed_secret"])
    return locked, secret_text(secret)


@transaction.atomic
def enable_webhook(*, endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Switch on again what failed for long. What it missed waits to be replayed."""
    hold_account(endpoint.user)
    locked = _locked(endpoint)
    locked.disabled_at, locked.disabled_reason, locked.failing_since = None, "", None
    locked.save(update_fields=["disabled_at", "disabled_reason", "failing_since"])
    return locked


@transaction.atomic
def delete_webhook(*, endpoint: WebhookEndpoint) -> None:
    hold_account(endpoint.user)
    WebhookEndpoint.objects.filter(pk=endpoint.pk).delete()


@transaction.atomic
def send_test_webhook(*, endpoint: WebhookEndpoint, at: datetime) -> WebhookDelivery:
    """Raises: WebhookOff."""
    hold_account(endpoint.user)
    locked = _locked(endpoint)
    if locked.disabled_at is not None:
        raise WebhookOff
    delivery = WebhookDelivery.objects.create(endpoint=locked, created_at=at, due_at=at)
    transaction.on_commit(nudge_deliverer, robust=True)
    return delivery


@transaction.atomic
def replay_delivery(*, delivery: WebhookDelivery, at: datetime) -> WebhookDelivery:
    """Send again what was sent before, under the same webhook-id, with all its retries. Raises: WebhookOff."""
    hold_account(delivery.endpoint.user)
    locked = _locked(delivery.endpoint)
    if locked.disabled_at is not None:
        raise WebhookOff
    again = WebhookDelivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
    again.state, again.due_at, again.attempt_count = WebhookDelivery.State.WAITING, at, 0
    again.save(update_fields=["state", "due_at", "attempt_count"])
    transaction.on_commit(nudge_deliverer, robust=True)
    return again


def _check(url: str, kinds: Collection[NoticeKind]) -> None:
    try:
        parse_target(url, is_local_allowed=settings.WEBHOOKS_MAY_STAY_LOCAL)
    except TargetRefused as error:
        raise WebhookUrlRefused(str(error)) from error
    if not kinds:
        raise KindsMissing


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    return WebhookEndpoint.objects.select_for_update(no_key=True).get(pk=endpoint.pk)
