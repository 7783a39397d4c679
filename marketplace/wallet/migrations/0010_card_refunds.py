"""Money of top-ups that people take back to where it came from."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0009_top_up_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="CardRefund",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("provider", models.CharField(max_length=16)),
                ("amount_micros", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("sent", "On its way"),
                            ("paid", "Paid back"),
                            ("failed", "Failed"),
                        ],
                        default="requested",
                        max_length=16,
                    ),
                ),
                ("object_id", models.CharField(blank=True, max_length=255)),
                ("failure_code", models.CharField(blank=True, max_length=64)),
                ("requested_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
                ("settled_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_try_at", models.DateTimeField()),
                ("idempotency_key", models.UUIDField(null=True)),
            ],
            options={
                "ordering": ["-requested_at", "-id"],
            },
        ),
        migrations.RemoveConstraint(
            model_name="transfer",
            name="transfer_kind_is_known",
        ),
        migrations.AlterField(
            model_name="providerevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("paid", "paid"),
                    ("declined", "declined"),
                    ("dispute_opened", "dispute_opened"),
                    ("dispute_won", "dispute_won"),
                    ("dispute_lost", "dispute_lost"),
                    ("refunded", "refunded"),
                    ("refund_failed", "refund_failed"),
                    ("payout_paid", "payout_paid"),
                    ("payout_failed", "payout_failed"),
                    ("payee_changed", "payee_changed"),
                    ("other", "other"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="transfer",
            name="kind",
            field=models.CharField(
                choices=[
                    ("top_up", "Top-up"),
                    ("purchase", "Purchase"),
                    ("renewal", "Renewal"),
                    ("usage", "Usage"),
                    ("release", "Earned"),
                    ("refund", "Refund"),
                    ("payout", "Payout"),
                    ("payout_return", "Returned payout"),
                    ("chargeback", "Chargeback"),
                    ("to_wallet", "Earnings moved to the wallet"),
                    ("card_refund", "Paid back to the payment method"),
                    ("card_refund_return", "Returned by the payment method"),
                ],
                max_length=32,
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        (
                            "top_up",
                            "purchase",
                            "renewal",
                            "usage",
                            "release",
                            "refund",
                            "payout",
                            "payout_return",
                            "chargeback",
                            "to_wallet",
                            "card_refund",
                            "card_refund_return",
                        ),
                    )
                ),
                name="transfer_kind_is_known",
            ),
        ),
        migrations.AddField(
            model_name="cardrefund",
            name="return_transfer",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="returned_card_refund",
                to="wallet.transfer",
            ),
        ),
        migrations.AddField(
            model_name="cardrefund",
            name="top_up",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="card_refunds", to="wallet.topup"
            ),
        ),
        migrations.AddField(
            model_name="cardrefund",
            name="transfer",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.PROTECT, related_name="card_refund", to="wallet.transfer"
            ),
        ),
        migrations.AddField(
            model_name="cardrefund",
            name="user",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="card_refunds", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddIndex(
            model_name="cardrefund",
            index=models.Index(
                condition=models.Q(("state", "requested")), fields=["next_try_at"], name="card_refund_to_send"
            ),
        ),
        migrations.AddConstraint(
            model_name="cardrefund",
            constraint=models.UniqueConstraint(fields=("top_up", "idempotency_key"), name="card_refund_once_per_key"),
        ),
        migrations.AddConstraint(
            model_name="cardrefund",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_micros__gt", 0)), name="card_refund_is_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="cardrefund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("return_transfer", None), ("settled_at", None), ("state__in", ["requested", "sent"])),
                    models.Q(("return_transfer", None), ("settled_at__isnull", False), ("state", "paid")),
                    models.Q(("return_transfer__isnull", False), ("settled_at__isnull", False), ("state", "failed")),
                    _connector="OR",
                ),
                name="card_refund_state_fits",
            ),
        ),
    ]
