"""Renewals, use by the month, trials, and what becomes of a purchase after the sale."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Periods of before were counted from the sale.
STARTED = """
UPDATE purchases_purchase AS p SET clock_started_at = p.window_from FROM listings_plan
WHERE listings_plan.id = p.plan_id AND listings_plan.kind = 'period' AND p.clock_started_at IS NULL;
"""
APPEND_ONLY = """
CREATE TRIGGER change_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON purchases_purchasechange
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
ALTER TABLE purchases_purchasechange ENABLE ALWAYS TRIGGER change_is_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("listings", "0003_plan_kinds"),
        ("purchases", "0005_bookscheck"),
        ("wallet", "0005_earnings_and_escrow"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RunSQL(STARTED, migrations.RunSQL.noop),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.CreateModel(
            name="PurchaseChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("started", "The period's clock started"),
                            ("renewal_on", "Renewal switched on"),
                            ("renewal_off", "Renewal switched off"),
                            ("lapsed", "Not renewed"),
                            ("cap_set", "Own monthly cap set"),
                            ("stopped", "Stopped by the buyer"),
                        ],
                        max_length=16,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("cap_micros", models.BigIntegerField(null=True)),
                ("window_until", models.DateTimeField(null=True)),
                ("entry_id", models.UUIDField(unique=True)),
            ],
            options={
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="UsageMonth",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("starts_at", models.DateTimeField()),
                ("ends_at", models.DateTimeField()),
                ("row_count", models.BigIntegerField(default=0)),
                ("billed_at", models.DateTimeField(null=True)),
                ("payment_failed_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ["-starts_at"],
            },
        ),
        migrations.AddField(
            model_name="purchase",
            name="continues",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="followers",
                to="purchases.purchase",
            ),
        ),
        migrations.AddField(
            model_name="purchase",
            name="is_renewing",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="purchase",
            name="is_trial",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="purchase",
            name="own_cap_micros",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="purchase",
            name="renewal_told_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="purchase",
            name="row_count",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddIndex(
            model_name="purchase",
            index=models.Index(
                condition=models.Q(("is_renewing", True)), fields=["window_until"], name="purchase_renewing"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_trial", True)), fields=("buyer", "listing"), name="purchase_one_trial_a_listing"
            ),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.UniqueConstraint(
                condition=models.Q(("continues__isnull", False)),
                fields=("continues", "window_from"),
                name="purchase_renewed_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("row_count__gte", 0),
                    models.Q(("own_cap_micros", None), ("own_cap_micros__gte", 0), _connector="OR"),
                ),
                name="purchase_use_fits",
            ),
        ),
        migrations.AddField(
            model_name="purchasechange",
            name="purchase",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="changes", to="purchases.purchase"
            ),
        ),
        migrations.AddField(
            model_name="usagemonth",
            name="bill",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="billed_month",
                to="purchases.purchase",
            ),
        ),
        migrations.AddField(
            model_name="usagemonth",
            name="plan",
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="listings.plan"),
        ),
        migrations.AddField(
            model_name="usagemonth",
            name="purchase",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="usage_months", to="purchases.purchase"
            ),
        ),
        migrations.AddIndex(
            model_name="usagemonth",
            index=models.Index(condition=models.Q(("billed_at", None)), fields=["ends_at"], name="usage_open"),
        ),
        migrations.AddConstraint(
            model_name="usagemonth",
            constraint=models.UniqueConstraint(fields=("purchase", "ends_at"), name="usage_month_once"),
        ),
        migrations.AddConstraint(
            model_name="usagemonth",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends_at__gt", models.F("starts_at")), ("row_count__gte", 0)),
                name="usage_month_fits",
            ),
        ),
        migrations.RunSQL(APPEND_ONLY, "DROP TRIGGER change_is_append_only ON purchases_purchasechange"),
    ]
