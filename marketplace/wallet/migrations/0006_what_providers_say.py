"""What payment providers tell: kept once, only ever inserted, and what followed beside it."""

import uuid

import django.db.models.deletion
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER provider_event_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_providerevent
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
ALTER TABLE wallet_providerevent ENABLE ALWAYS TRIGGER provider_event_is_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0005_earnings_and_escrow"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProviderEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=16)),
                ("event_id", models.CharField(max_length=255)),
                ("type", models.CharField(max_length=100)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("paid", "paid"),
                            ("declined", "declined"),
                            ("dispute_opened", "dispute_opened"),
                            ("dispute_won", "dispute_won"),
                            ("dispute_lost", "dispute_lost"),
                            ("refunded", "refunded"),
                            ("payout_paid", "payout_paid"),
                            ("payout_failed", "payout_failed"),
                            ("payee_changed", "payee_changed"),
                            ("other", "other"),
                        ],
                        max_length=20,
                    ),
                ),
                ("reference", models.UUIDField(db_index=True, null=True)),
                ("object_id", models.CharField(blank=True, max_length=255)),
                ("payment_id", models.CharField(blank=True, db_index=True, max_length=255)),
                ("amount_micros", models.BigIntegerField(null=True)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("body_sha256", models.BinaryField(max_length=32)),
                ("happened_at", models.DateTimeField()),
                ("received_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("provider", "event_id"), name="provider_event_once")],
            },
        ),
        migrations.CreateModel(
            name="TestMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.UUIDField(default=uuid.uuid4)),
                ("body", models.TextField()),
                ("due_at", models.DateTimeField()),
                ("sent_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("sent_at", None)), fields=["due_at", "id"], name="test_message_due"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="EventOutcome",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "result",
                    models.CharField(
                        choices=[
                            ("booked", "Booked"),
                            ("closed", "Closed without money"),
                            ("nothing", "Nothing to do"),
                            ("alarm", "Does not fit: somebody must look"),
                        ],
                        max_length=16,
                    ),
                ),
                ("code", models.CharField(blank=True, max_length=40)),
                ("at", models.DateTimeField()),
                (
                    "transfer",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="event_outcomes",
                        to="wallet.transfer",
                    ),
                ),
                (
                    "event",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, related_name="outcome", to="wallet.providerevent"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("result", "alarm"), models.Q(("code", ""), _negated=True)),
                            models.Q(("result", "alarm"), _negated=True),
                            _connector="OR",
                        ),
                        name="alarm_has_a_code",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("result", "booked"), ("transfer__isnull", False)),
                            models.Q(("result", "booked"), _negated=True),
                            _connector="OR",
                        ),
                        name="booked_has_a_transfer",
                    ),
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, "DROP TRIGGER provider_event_is_append_only ON wallet_providerevent"),
    ]
