"""What payment providers told us, what followed from it, and money on its way to sellers' banks."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from marketplace.wallet.gateway.events import EventKind


class ProviderEventQuerySet(models.QuerySet["ProviderEvent"]):
    def waiting(self) -> Self:
        """Those from which nothing followed yet, the first ones first."""
        return self.filter(outcome=None).order_by("pk")


class ProviderEvent(models.Model):
    """A message of a payment provider, as it was signed. Rows are only ever inserted; each message is kept once.

    Only what moves money is kept of it, and the hash of the rest: the message itself may name a person.
    """

    provider = models.CharField(max_length=16)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value) for kind in EventKind])
    reference = models.UUIDField(null=True, db_index=True)
    object_id = models.CharField(max_length=255, blank=True)
    payment_id = models.CharField(max_length=255, blank=True, db_index=True)
    amount_micros = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    body_sha256 = models.BinaryField(max_length=32)
    happened_at = models.DateTimeField()
    received_at = models.DateTimeField()

    objects = ProviderEventQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "event_id"], name="provider_event_once")]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


class EventOutcome(models.Model):
    """What followed from an event. An event without one waits for another that is still on its way."""

    class Result(models.TextChoices):
        BOOKED = "booked", "Booked"
        CLOSED = "closed", "Noted, no money moved"
        NOTHING = "nothing", "Nothing to do"
        ALARM = "alarm", "Does not fit: somebody must look"

    event = models.OneToOneField(ProviderEvent, models.PROTECT, related_name="outcome")
    result = models.CharField(max_length=16, choices=Result)
    # Why, for an alarm: a word that never changes.
    code = models.CharField(max_length=40, blank=True)
    transfer = models.ForeignKey("wallet.Transfer", models.PROTECT, null=True, related_name="event_outcomes")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(result="alarm") & ~Q(code="") | ~Q(result="alarm"), name="alarm_has_a_code"
            ),
            models.CheckConstraint(
                condition=Q(result="booked", transfer__isnull=False) | ~Q(result="booked"), name="booked_has_a_transfer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.result} {self.code}"


class TestMessage(models.Model):
    """A webhook that the built-in provider has yet to send, or sent."""

    # Not a test.
    __test__ = False

    event_id = models.UUIDField(default=uuid.uuid4)
    body = models.TextField()
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["due_at", "id"], condition=Q(sent_at=None), name="test_message_due")]

    def __str__(self) -> str:
        return str(self.event_id)


class Payee(models.Model):
    """Where a seller's earnings go, by the provider's name of it. No bank details are kept here."""

    class Schedule(models.TextChoices):
        ON_REQUEST = "on_request", "When I ask for it"
        WEEKLY = "weekly", "Each Monday"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="payees")
    provider = models.CharField(max_length=16)
    account_id = models.CharField(max_length=255)
    is_ready = models.BooleanField(default=False)
    schedule = models.CharField(max_length=16, choices=Schedule, default=Schedule.ON_REQUEST)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "provider"], name="payee_one_per_provider"),
            models.UniqueConstraint(fields=["provider", "account_id"], name="payee_account_once"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.account_id}"


class PayoutQuerySet(models.QuerySet["Payout"]):
    def to_send(self, at: datetime) -> Self:
        return self.filter(state=Payout.State.REQUESTED, next_try_at__lte=at).order_by("pk")

    def to_return(self, at: datetime) -> Self:
        return self.filter(state=Payout.State.FAILED, return_transfer=None, next_try_at__lte=at).order_by("pk")

    def under_way(self) -> Self:
        """Those whose money is with the provider, and may still come back."""
        unsettled = Q(state__in=[Payout.State.REQUESTED, Payout.State.SENT])
        return self.filter(unsettled | Q(state=Payout.State.FAILED, return_transfer=None))


class Payout(models.Model):
    """What a seller is paid. Its money leaves the earnings when it is asked for, and comes back when it fails.

    It failed and has no return_transfer: the provider is still being asked to give the money back.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        SENT = "sent", "On its way to the bank"
        PAID = "paid", "Paid"
        FAILED = "failed", "Failed"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="payouts")
    provider = models.CharField(max_length=16)
    account_id = models.CharField(max_length=255)
    amount_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=16, choices=State, default=State.REQUESTED)
    object_id = models.CharField(max_length=255, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    requested_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    returned_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    transfer = models.OneToOneField("wallet.Transfer", models.PROTECT, related_name="payout")
    return_transfer = models.OneToOneField("wallet.Transfer", models.PROTECT, null=True, related_name="returned_payout")
    idempotency_key = models.UUIDField(null=True)

    objects = PayoutQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["user", "idempotency_key"], name="payout_once_per_key"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="payout_is_positive"),
            models.CheckConstraint(
                condition=Q(state__in=["requested", "sent"], settled_at=None, return_transfer=None)
                | Q(state="paid", settled_at__isnull=False, return_transfer=None)
                | Q(state="failed", settled_at__isnull=False),
                name="payout_state_fits",
            ),
        ]
        indexes = [models.Index(fields=["next_try_at"], condition=Q(state="requested"), name="payout_to_send")]

    def __str__(self) -> str:
        return f"{self.amount_micros} {self.currency} {self.state}"

    @property
    def is_coming_back(self) -> bool:
        return self.state == self.State.FAILED and self.return_transfer_id is None


class ChargebackQuerySet(models.QuerySet["Chargeback"]):
    def owed(self) -> Self:
        """Those that the wallet did not cover yet."""
        return self.exclude(state=Chargeback.State.WON).filter(taken_micros__lt=F("amount_micros"))


class Chargeback(models.Model):
    """Money of a top-up that the provider took from us again: the card's holder disputed it, or it was paid back.

    It is taken from the wallet, as far as the wallet goes (taken_micros). The rest is owed: whoever owes buys nothing
    and is paid nothing out, and what comes into the wallet covers it first. A dispute that is won gives it back.
    """

    class Reason(models.TextChoices):
        DISPUTE = "dispute", "Disputed"
        REFUND = "refund", "Paid back by the provider"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        LOST = "lost", "Final"
        WON = "won", "Won: given back"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    provider = models.CharField(max_length=16)
    object_id = models.CharField(max_length=255)
    top_up = models.ForeignKey("wallet.TopUp", models.PROTECT, related_name="chargebacks")
    reason = models.CharField(max_length=16, choices=Reason)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    amount_micros = models.BigIntegerField()
    taken_micros = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    objects = ChargebackQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "object_id"], name="chargeback_once"),
            models.CheckConstraint(
                condition=Q(amount_micros__gt=0, taken_micros__gte=0, taken_micros__lte=F("amount_micros")),
                name="chargeback_takes_no_more",
            ),
        ]
        indexes = [
            models.Index(fields=["top_up"], condition=Q(taken_micros__lt=F("amount_micros")), name="chargeback_owed")
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.object_id}"

    @property
    def owed_micros(self) -> int:
        return 0 if self.state == self.State.WON else self.amount_micros - self.taken_micros


class CardRefundQuerySet(models.QuerySet["CardRefund"]):
    def to_send(self, at: datetime) -> Self:
        return self.filter(state=CardRefund.State.REQUESTED, next_try_at__lte=at).order_by("pk")

    def under_way(self) -> Self:
        return self.filter(state__in=[CardRefund.State.REQUESTED, CardRefund.State.SENT])

    def standing(self) -> Self:
        """Those whose money is with the provider, or with the person."""
        return self.exclude(state=CardRefund.State.FAILED)


class CardRefund(models.Model):
    """Money of a top-up that its person takes back to where it came from.

    It leaves the wallet when it is asked for. When it fails, the provider still has it, and the wallet gets it again.
    """

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        SENT = "sent", "On its way"
        PAID = "paid", "Paid back"
        FAILED = "failed", "Failed"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="card_refunds")
    top_up = models.ForeignKey("wallet.TopUp", models.PROTECT, related_name="card_refunds")
    provider = models.CharField(max_length=16)
    amount_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = models.CharField(max_length=16, choices=State, default=State.REQUESTED)
    object_id = models.CharField(max_length=255, blank=True)
    failure_code = models.CharField(max_length=64, blank=True)
    requested_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    settled_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField()
    transfer = models.OneToOneField("wallet.Transfer", models.PROTECT, related_name="card_refund")
    return_transfer = models.OneToOneField(
        "wallet.Transfer", models.PROTECT, null=True, related_name="returned_card_refund"
    )
    idempotency_key = models.UUIDField(null=True)

    objects = CardRefundQuerySet.as_manager()

    class Meta:
        ordering = ["-requested_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["top_up", "idempotency_key"], name="card_refund_once_per_key"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="card_refund_is_positive"),
            models.CheckConstraint(
                condition=Q(state__in=["requested", "sent"], settled_at=None, return_transfer=None)
                | Q(state="paid", settled_at__isnull=False, return_transfer=None)
                | Q(state="failed", settled_at__isnull=False, return_transfer__isnull=False),
                name="card_refund_state_fits",
            ),
        ]
        indexes = [models.Index(fields=["next_try_at"], condition=Q(state="requested"), name="card_refund_to_send")]

    def __str__(self) -> str:
        return f"{self.amount_micros} {self.currency} {self.state}"


class Reconciliation(models.Model):
    """One look at what providers told us beside what we booked.

    findings: what differs, as [{title, row_count, rows: [[subject, should be, is]]}], amounts in micros as text.
    """

    at = models.DateTimeField()
    event_count = models.PositiveIntegerField()
    missed_count = models.PositiveIntegerField()
    finding_count = models.PositiveIntegerField()
    findings = models.JSONField()

    class Meta:
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.finding_count} differences"
