import django.contrib.postgres.fields
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0001_initial")]

    operations = [
        migrations.AddField("accesstoken", "last_used_from", models.GenericIPAddressField(null=True)),
        migrations.AddField("accesstoken", "name", models.CharField(blank=True, default="", max_length=60), False),
        migrations.AddField(
            "accesstoken",
            "family",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="successors",
                to="access.accesstoken",
            ),
        ),
        migrations.AddField(
            "accesstoken",
            "fields",
            django.contrib.postgres.fields.ArrayField(models.CharField(max_length=100), null=True, size=None),
        ),
        migrations.AddField("accesstoken", "window_from", models.DateTimeField(null=True)),
        migrations.AddField("accesstoken", "window_until", models.DateTimeField(null=True)),
        migrations.AddField("accesstoken", "own_expires_at", models.DateTimeField(null=True)),
        migrations.AddField("accesstoken", "rate_per_minute", models.PositiveIntegerField(null=True)),
        migrations.AddField("accesstoken", "row_cap", models.BigIntegerField(null=True)),
        migrations.AddField("accesstoken", "row_count", models.BigIntegerField(default=0)),
        migrations.AddField(
            "accesstoken",
            "networks",
            django.contrib.postgres.fields.ArrayField(models.CharField(max_length=43), default=list, size=None),
        ),
        migrations.AddConstraint(
            "accesstoken",
            models.CheckConstraint(
                condition=models.Q(row_cap=None) | models.Q(row_count__lte=models.F("row_cap")),
                name="token_rows_within_cap",
            ),
        ),
    ]
