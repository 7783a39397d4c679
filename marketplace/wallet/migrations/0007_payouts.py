"""Where sellers are paid, and each payout from its request to the bank's answer."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0006_what_providers_say"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="eventoutcome",
            name="result",
            field=models.CharField(
                choices=[
                    ("booked", "Booked"),
                    ("closed", "Noted, no money moved"),
                    ("nothing", "Nothing to do"),
                    ("alarm", "Does not fit: somebody must look"),
                ],
                max_length=16,
            ),
        ),
        migrations.CreateModel(
            name="Payee",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=16)),
                ("account_id", models.CharField(max_length=255)),
                ("is_ready", models.BooleanField(default=False)),
                (
                    "schedule",
                    models.CharField(
                        choices=[("on_request", "When I ask for it"), ("weekly", "Each Monday")],
                        default="on_request",
                        max_length=16,
                    ),
                ),
                ("created_at", models.DateTimeField()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="payees", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("user", "provider"), name="payee_one_per_provider"),
                    models.UniqueConstraint(fields=("provider", "account_id"), name="payee_account_once"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Payout",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("provider", models.CharField(max_length=16)),
                ("account_id", models.CharField(max_length=255)),
                ("amount_micros", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("sent", "On its way to the bank"),
                            ("paid", "Paid"),
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
                ("returned_at", models.DateTimeField(null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_try_at", models.DateTimeField()),
                ("idempotency_key", models.UUIDField(null=True)),
                (
                    "return_transfer",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="returned_payout",
                        to="wallet.transfer",
                    ),
                ),
                (
                    "transfer",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="payout", to="wallet.transfer"
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="payouts", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "ordering": ["-requested_at", "-id"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "requested")), fields=["next_try_at"], name="payout_to_send"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "idempotency_key"), name="payout_once_per_key"),
                    models.CheckConstraint(condition=models.Q(("amount_micros__gt", 0)), name="payout_is_positive"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("return_transfer", None), ("settled_at", None), ("state__in", ["requested", "sent"])
                            ),
                            models.Q(("return_transfer", None), ("settled_at__isnull", False), ("state", "paid")),
                            models.Q(("settled_at__isnull", False), ("state", "failed")),
                            _connector="OR",
                        ),
                        name="payout_state_fits",
                    ),
                ],
            },
        ),
    ]
