"""Money that providers take back, and the nightly look at what they told beside what was booked."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0007_payouts"),
    ]

    operations = [
        migrations.CreateModel(
            name="Reconciliation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("event_count", models.PositiveIntegerField()),
                ("missed_count", models.PositiveIntegerField()),
                ("finding_count", models.PositiveIntegerField()),
                ("findings", models.JSONField()),
            ],
            options={
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="Chargeback",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("provider", models.CharField(max_length=16)),
                ("object_id", models.CharField(max_length=255)),
                (
                    "reason",
                    models.CharField(
                        choices=[("dispute", "Disputed"), ("refund", "Paid back by the provider")], max_length=16
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "Open"), ("lost", "Final"), ("won", "Won: given back")],
                        default="open",
                        max_length=16,
                    ),
                ),
                ("amount_micros", models.BigIntegerField()),
                ("taken_micros", models.BigIntegerField(default=0)),
                ("currency", models.CharField(max_length=3)),
                ("opened_at", models.DateTimeField()),
                ("closed_at", models.DateTimeField(null=True)),
                (
                    "top_up",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="chargebacks", to="wallet.topup"
                    ),
                ),
            ],
            options={
                "ordering": ["-opened_at", "-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("taken_micros__lt", models.F("amount_micros"))),
                        fields=["top_up"],
                        name="chargeback_owed",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("provider", "object_id"), name="chargeback_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("amount_micros__gt", 0),
                            ("taken_micros__gte", 0),
                            ("taken_micros__lte", models.F("amount_micros")),
                        ),
                        name="chargeback_takes_no_more",
                    ),
                ],
            },
        ),
    ]
