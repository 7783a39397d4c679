"""The price of a sale waits in the seller's escrow until it is earned. What was sold before was paid out at once."""

import uuid

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F, Q

PAID_OUT = """
UPDATE purchases_purchase SET
    released_micros = price_micros, released_seller_micros = seller_micros, released_fee_micros = fee_micros;
"""
APPEND_ONLY = """
CREATE TRIGGER refund_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON purchases_refund
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
ALTER TABLE purchases_refund ENABLE ALWAYS TRIGGER refund_is_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("listings", "0001_initial"),
        ("purchases", "0001_initial"),
        ("wallet", "0005_earnings_and_escrow"),
    ]

    operations = [
        *(
            migrations.AddField(model_name="purchase", name=name, field=models.BigIntegerField(default=0))
            for name in ("released_micros", "released_seller_micros", "released_fee_micros", "refunded_micros")
        ),
        migrations.AddField(
            model_name="purchase", name="fee_basis_points", field=models.PositiveIntegerField(null=True)
        ),
        migrations.AddField(model_name="purchase", name="release_due_at", field=models.DateTimeField(null=True)),
        migrations.AddField(model_name="purchase", name="clock_started_at", field=models.DateTimeField(null=True)),
        migrations.RunSQL(PAID_OUT, migrations.RunSQL.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.AddIndex(
            model_name="purchase",
            index=models.Index(
                condition=Q(release_due_at__isnull=False), fields=["release_due_at"], name="purchase_due"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.CheckConstraint(
                condition=Q(
                    released_seller_micros__gte=0,
                    released_fee_micros__gte=0,
                    refunded_micros__gte=0,
                    released_micros__gte=F("released_seller_micros") + F("released_fee_micros"),
                    price_micros__gte=F("released_micros") + F("refunded_micros"),
                ),
                name="purchase_money_fits",
            ),
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("amount_micros", models.BigIntegerField()),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("consent_withdrawn", "The owner withdrew the consent"),
                            ("listing_withdrawn", "The owner withdrew the listing"),
                        ],
                        max_length=32,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("entry_id", models.UUIDField(unique=True)),
                (
                    "purchase",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="refunds", to="purchases.purchase"
                    ),
                ),
                (
                    "transfer",
                    models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, to="wallet.transfer"),
                ),
            ],
            options={
                "ordering": ["-at", "-id"],
                "constraints": [
                    models.CheckConstraint(condition=Q(("amount_micros__gt", 0)), name="refund_is_positive")
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, "DROP TRIGGER refund_is_append_only ON purchases_refund"),
    ]
