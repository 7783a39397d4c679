"""Accounts, transfers and postings: double entry in integer micros (millionths of the currency unit).

How a balance is kept, and why it is right under concurrency (the rules themselves are in migrations 0002 and 0004):

- Postings are the truth and are only ever inserted. A trigger that sees all postings of one INSERT keeps the balances,
  so no road into the table leads past it.
- An account that pays is locked (in id order), its waiting changes are added up, and the result may not be below zero.
  Only the payment provider's may, where money comes from. Whoever pays from the same wallet at the same time
  waits for that lock and then sees the new balance.
- What a buyer paid is the seller's escrow until it is earned, then the seller's payable (the market's parts leave the
  escrow at the same time); a refund leaves the escrow too. Only escrow that is released or refunded is ever locked.
- Whoever receives is not locked: a BalanceChange row is inserted and waits. A thousand buyers of one seller therefore
  never wait for each other. Balance = Account.rolled_micros + the waiting changes, read in one statement.
- Waiting changes are added into rolled_micros when the account pays and by a periodic task, both under the account's
  lock, by deleting the very rows that are added. No "id greater than the last one seen" is involved: ids become
  visible out of order, deleted rows cannot be counted twice or missed.
"""

from __future__ import annotations

import uuid
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import F, OuterRef, Q, Subquery, Sum, Window
from django.db.models.functions import Coalesce

from marketplace.wallet.units import MICROS_PER_CENT


class AccountQuerySet(models.QuerySet["Account"]):
    def with_balance(self) -> Self:
        """Add balance_micros. One statement, so that a roll-up in between cannot be seen half."""
        waiting = (
            BalanceChange.objects.filter(account=OuterRef("pk"))
            .order_by()
            .values("account")
            .values_list(Sum("amount_micros"))
        )
        total = F("rolled_micros") + Coalesce(Subquery(waiting, output_field=models.BigIntegerField()), 0)
        return self.annotate(balance_micros=total)


# Of these each person has one a currency; of the others the market has one.
OWNED_KINDS = ("wallet", "payable", "escrow")


class Account(models.Model):
    """One purse in one currency. Only the payment provider's goes below zero.

    wallet: what a person may spend. payable: what a seller earned. escrow: what a seller's buyers paid and the
    seller has not earned yet. The market's own: its fee, the tax that it owes, what rounding leaves, and the payment
    provider.
    """

    class Kind(models.TextChoices):
        WALLET = "wallet", "Wallet"
        PAYABLE = "payable", "Earnings"
        ESCROW = "escrow", "On hold"
        MARKET_FEE = "market_fee", "Market fee"
        TAX = "tax", "Tax"
        ROUNDING = "rounding", "Rounding"
        PROVIDER = "provider", "Payment provider"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=16, choices=Kind)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="wallet_accounts")
    currency = models.CharField(max_length=3)
    rolled_micros = models.BigIntegerField(default=0, editable=False)
    # Only on rows that with_balance() read.
    balance_micros: int

    objects = AccountQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "kind", "currency"],
                condition=Q(kind__in=OWNED_KINDS),
                name="account_one_per_owner_and_kind",
            ),
            models.UniqueConstraint(
                fields=["kind", "currency"], condition=~Q(kind__in=OWNED_KINDS), name="wallet_one_market_account"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=OWNED_KINDS, owner__isnull=False)
                | (~Q(kind__in=OWNED_KINDS) & Q(owner__isnull=True)),
                name="wallet_owner_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(kind="provider") | Q(rolled_micros__gte=0), name="only_the_provider_owes"
            ),
            models.CheckConstraint(
                condition=Q(kind__in=[*OWNED_KINDS, "market_fee", "tax", "rounding", "provider"]),
                name="account_kind_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.public_id}"


TRANSFER_KINDS = (
    *("top_up", "purchase", "renewal", "usage", "release", "refund"),
    *("payout", "payout_return", "chargeback", "to_wallet"),
    *("card_refund", "card_refund_return"),
)


class Transfer(models.Model):
    """Money moved once. Its postings sum to zero; a mistake is reversed, never edited.

    reference: the public id of what it was for (a purchase, a top-up).
    """

    class Kind(models.TextChoices):
        TOP_UP = "top_up", "Top-up"
        PURCHASE = "purchase", "Purchase"
        RENEWAL = "renewal", "Renewal"
        USAGE = "usage", "Usage"
        RELEASE = "release", "Earned"
        REFUND = "refund", "Refund"
        PAYOUT = "payout", "Payout"
        PAYOUT_RETURN = "payout_return", "Returned payout"
        CHARGEBACK = "chargeback", "Chargeback"
        TO_WALLET = "to_wallet", "Earnings moved to the wallet"
        CARD_REFUND = "card_refund", "Paid back to the payment method"
        CARD_REFUND_RETURN = "card_refund_return", "Returned by the payment method"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    idempotency_key = models.UUIDField(unique=True)
    kind = models.CharField(max_length=32, choices=Kind)
    reference = models.UUIDField(null=True, db_index=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(kind__in=TRANSFER_KINDS), name="transfer_kind_is_known")]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class PostingQuerySet(models.QuerySet["Posting"]):
    def statement(self, account: Account) -> Self:
        """The postings of one account, newest first, each with balance_after_micros."""
        running = Window(Sum("amount_micros"), order_by=F("id").asc())
        return (
            self.filter(account=account)
            .select_related("transfer")
            .annotate(balance_after_micros=running)
            .order_by("-id")
        )


class Posting(models.Model):
    """One line of a transfer: amount_micros is added to the account (negative when it pays)."""

    transfer = models.ForeignKey(Transfer, models.PROTECT, related_name="postings")
    account = models.ForeignKey(Account, models.PROTECT, related_name="postings")
    amount_micros = models.BigIntegerField()
    # Only on rows that statement() read.
    balance_after_micros: int

    objects = PostingQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(amount_micros=0), name="posting_is_not_zero")]

    def __str__(self) -> str:
        return f"{self.amount_micros} to {self.account_id}"


class BalanceChange(models.Model):
    """A posting's amount that waits to be added into its account's rolled_micros. Only the database writes these."""

    # The posting beside it holds the constraint; a second one would only cost locks on the receiver's row.
    account = models.ForeignKey(Account, models.DO_NOTHING, db_constraint=False, related_name="waiting_changes")
    amount_micros = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.amount_micros} to {self.account_id}"


class TopUpQuerySet(models.QuerySet["TopUp"]):
    def with_left(self) -> Self:
        """Add left_micros: what was paid, less what the bank or the person took back."""

        def taken(rows: models.QuerySet[Any]) -> Coalesce:
            of_one = rows.filter(top_up=OuterRef("pk")).order_by().values("top_up")
            total = Subquery(of_one.values_list(Sum("amount_micros")), output_field=models.BigIntegerField())
            return Coalesce(total, 0)

        refunds = gateway_models.CardRefund.objects.standing()
        chargebacks = gateway_models.Chargeback.objects.exclude(state="won")
        return self.annotate(left_micros=F("amount_micros") - taken(refunds) - taken(chargebacks))

    def refundable(self, provider: str) -> Self:
        """Those of which something may go back by this provider, with left_micros.

        While a dispute is open nothing goes back: the bank would give the same money twice.
        """
        disputed = gateway_models.Chargeback.objects.filter(state="open").values("top_up")
        paid = self.filter(state=TopUp.State.PAID, provider=provider).exclude(pk__in=disputed)
        return paid.with_left().filter(left_micros__gte=MICROS_PER_CENT)


class TopUp(models.Model):
    """Money that a person asked the payment provider to bring in."""

    class State(models.TextChoices):
        PENDING = "pending", "Waiting for the payment"
        PAID = "paid", "Paid"
        DECLINED = "declined", "Declined"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="top_ups")
    amount_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    provider = models.CharField(max_length=16)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    transfer = models.OneToOneField(Transfer, models.PROTECT, null=True)
    idempotency_key = models.UUIDField(null=True)
    # Only on rows that with_left() read.
    left_micros: int

    objects = TopUpQuerySet.as_manager()

    class Meta:
        verbose_name = "top-up"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="top_up_is_positive"),
            models.UniqueConstraint(fields=["user", "idempotency_key"], name="top_up_once_per_key"),
            models.CheckConstraint(
                condition=Q(state="pending", settled_at=None, transfer=None)
                | Q(state="declined", settled_at__isnull=False, transfer=None)
                | Q(state="paid", settled_at__isnull=False, transfer__isnull=False),
                name="top_up_state_fits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount_micros} {self.currency} {self.state}"


# What providers tell has models of its own; Django finds them by way of this module.
from marketplace.wallet.gateway import models as gateway_models  # noqa: E402 - see above
