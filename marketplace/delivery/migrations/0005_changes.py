from django.db import migrations, models

# Of versions from before nothing tells what they changed.
BEGIN_NOW = "UPDATE delivery_deliverytable SET changes_from = version + 1"


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0004_cuts_by_fields"),
    ]

    operations = [
        migrations.AddField(
            model_name="deliverytable",
            name="changes_from",
            field=models.BigIntegerField(default=0),
        ),
        migrations.RunSQL(BEGIN_NOW, migrations.RunSQL.noop),
        migrations.AddField(
            model_name="segment",
            name="change",
            field=models.CharField(
                blank=True,
                choices=[("add", "Rows that the version brought"), ("remove", "Rows that the version took away")],
                max_length=6,
            ),
        ),
        migrations.AddIndex(
            model_name="segment",
            index=models.Index(
                condition=models.Q(("change", ""), _negated=True),
                fields=["table", "added_version"],
                name="segment_changes",
            ),
        ),
    ]
