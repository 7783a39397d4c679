import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER notice_text_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON consents_noticetext
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
ALTER TABLE consents_noticetext ENABLE ALWAYS TRIGGER notice_text_is_append_only;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("wallet", "0002_one_door"),
        ("consents", "0001_initial"),
        ("devices", "0002_storage"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NoticeText",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64, unique=True)),
                ("version", models.PositiveSmallIntegerField()),
                ("language", models.CharField(max_length=2)),
                ("text", models.TextField()),
                ("first_shown_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="consent",
            name="records_others",
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name="consent",
            name="refused_purposes",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=64), default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="consent",
            name="renews",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.PROTECT, related_name="renewals", to="consents.consent"
            ),
        ),
        migrations.AddField(
            model_name="consent",
            name="notice",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="consents",
                to="consents.noticetext",
            ),
        ),
        migrations.AddConstraint(
            model_name="consent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("records_others", False), models.Q(("resolution", "raw"), _negated=True), _connector="OR"
                ),
                name="consent_spares_others",
            ),
        ),
        migrations.RunSQL(APPEND_ONLY, "DROP TRIGGER notice_text_is_append_only ON consents_noticetext"),
    ]
