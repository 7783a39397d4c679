"""Plans by use, trials, offers and versions; periods are counted in seconds from one hour on."""

import django.db.models.deletion
from django.db import migrations, models

DAYS_AS_SECONDS = "UPDATE listings_plan SET period_seconds = period_days * 86400 WHERE period_days IS NOT NULL"
SECONDS_AS_DAYS = "UPDATE listings_plan SET period_days = period_seconds / 86400 WHERE period_seconds IS NOT NULL"


class Migration(migrations.Migration):
    dependencies = [
        ("listings", "0002_trigrams"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="plan",
            options={"ordering": ["position", "id"]},
        ),
        migrations.RemoveConstraint(
            model_name="plan",
            name="plan_price_fits_kind",
        ),
        migrations.RemoveConstraint(
            model_name="plan",
            name="plan_period_fits_kind",
        ),
        migrations.RemoveConstraint(
            model_name="plan",
            name="plan_position_once",
        ),
        migrations.AddField(
            model_name="plan",
            name="base_micros",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="plan",
            name="cap_micros",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="plan",
            name="entry_id",
            field=models.UUIDField(null=True, unique=True),
        ),
        migrations.AddField(
            model_name="plan",
            name="free_rows",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="plan",
            name="is_renewing",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="plan",
            name="micros_per_1000_rows",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="plan",
            name="offer_until",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="plan",
            name="offered_email",
            field=models.EmailField(blank=True, max_length=254),
        ),
        migrations.AddField(
            model_name="plan",
            name="period_seconds",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="plan",
            name="replaces",
            field=models.OneToOneField(
                null=True, on_delete=django.db.models.deletion.CASCADE, related_name="replaced_by", to="listings.plan"
            ),
        ),
        migrations.AddField(
            model_name="plan",
            name="retired_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="plan",
            name="trial_rows",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="plan",
            name="trial_seconds",
            field=models.PositiveIntegerField(null=True),
        ),
        migrations.AlterField(
            model_name="plan",
            name="kind",
            field=models.CharField(
                choices=[
                    ("free", "Free: the history up to now"),
                    ("one_off", "One-off: the history up to now"),
                    ("period", "A period from now on"),
                    ("metered", "Metered: by rows and month"),
                    ("trial", "Trial: once, by time or rows"),
                ],
                max_length=8,
            ),
        ),
        migrations.RunSQL(DAYS_AS_SECONDS, SECONDS_AS_DAYS),
        migrations.RunSQL("SET CONSTRAINTS ALL IMMEDIATE", migrations.RunSQL.noop),
        migrations.RemoveField(
            model_name="plan",
            name="period_days",
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind__in", ["free", "trial", "metered"]), ("price_micros", 0)),
                    models.Q(("kind__in", ["one_off", "period"]), ("price_micros__gt", 0)),
                    _connector="OR",
                ),
                name="plan_price_fits_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "period"), ("period_seconds__gte", 3600)),
                    models.Q(
                        models.Q(("kind", "period"), _negated=True), ("is_renewing", False), ("period_seconds", None)
                    ),
                    _connector="OR",
                ),
                name="plan_period_fits_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("base_micros__gte", 0),
                        ("free_rows__gte", 0),
                        ("kind", "metered"),
                        ("micros_per_1000_rows__gt", 0),
                        models.Q(
                            ("cap_micros", None),
                            models.Q(("cap_micros__gt", 0), ("cap_micros__gte", models.F("base_micros"))),
                            _connector="OR",
                        ),
                    ),
                    models.Q(
                        models.Q(("kind", "metered"), _negated=True),
                        ("base_micros", 0),
                        ("cap_micros", None),
                        ("free_rows", 0),
                        ("micros_per_1000_rows", None),
                    ),
                    _connector="OR",
                ),
                name="plan_meter_fits_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("kind", "trial"), models.Q(("trial_seconds__gt", 0), ("trial_rows__gt", 0), _connector="OR")
                    ),
                    models.Q(models.Q(("kind", "trial"), _negated=True), ("trial_rows", None), ("trial_seconds", None)),
                    _connector="OR",
                ),
                name="plan_trial_fits_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("entry_id", None), ("offer_until", None), ("offered_email", "")),
                    models.Q(
                        models.Q(("offered_email", ""), _negated=True),
                        ("entry_id__isnull", False),
                        ("kind__in", ["one_off", "period"]),
                        ("offer_until__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="plan_offer_fits_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="plan",
            constraint=models.UniqueConstraint(
                condition=models.Q(("retired_at", None)), fields=("listing", "position"), name="plan_position_once"
            ),
        ),
    ]
