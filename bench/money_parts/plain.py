"""The same payment written as plain ORM statements on plain tables, as most applications would: for comparison."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import connection, models, transaction


class PlainAccount(models.Model):
    balance_micros = models.BigIntegerField()

    objects: models.Manager[PlainAccount] = models.Manager()

    class Meta:
        app_label = "bench"

    def __str__(self) -> str:
        return f"account {self.pk}"


class PlainTransfer(models.Model):
    idempotency_key = models.UUIDField(unique=True)
    kind = models.CharField(max_length=32)
    reference = models.UUIDField(null=True, db_index=True)
    at = models.DateTimeField()

    objects: models.Manager[PlainTransfer] = models.Manager()

    class Meta:
        app_label = "bench"

    def __str__(self) -> str:
        return f"transfer {self.idempotency_key}"


class PlainPosting(models.Model):
    transfer = models.ForeignKey(PlainTransfer, models.PROTECT)
    account = models.ForeignKey(PlainAccount, models.PROTECT)
    amount_micros = models.BigIntegerField()

    objects: models.Manager[PlainPosting] = models.Manager()

    class Meta:
        app_label = "bench"

    def __str__(self) -> str:
        return f"{self.amount_micros}"


def make_tables() -> None:
    with connection.schema_editor() as editor:
        for model in (PlainAccount, PlainTransfer, PlainPosting):
            editor.create_model(model)


@transaction.atomic
def pay(buyer_id: int, seller_id: int, amount_micros: int, key: UUID, at: datetime) -> PlainTransfer:
    """Lock both accounts in order, look, write, and keep both balances."""
    earlier = PlainTransfer.objects.filter(idempotency_key=key).first()
    if earlier is not None:
        return earlier
    rows = PlainAccount.objects.select_for_update().filter(pk__in=[buyer_id, seller_id]).order_by("pk")
    accounts = {account.pk: account for account in rows}
    buyer, seller = accounts[buyer_id], accounts[seller_id]
    if buyer.balance_micros < amount_micros:
        raise ValueError("Too little money.")
    transfer = PlainTransfer.objects.create(idempotency_key=key, kind="purchase", reference=key, at=at)
    PlainPosting.objects.create(transfer=transfer, account=buyer, amount_micros=-amount_micros)
    PlainPosting.objects.create(transfer=transfer, account=seller, amount_micros=amount_micros)
    buyer.balance_micros -= amount_micros
    buyer.save(update_fields=["balance_micros"])
    seller.balance_micros += amount_micros
    seller.save(update_fields=["balance_micros"])
    return transfer
