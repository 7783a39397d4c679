from django.db import migrations, models


class Migration(migrations.Migration):
    """Cuts of before are named by their own number: nobody finds them any more, and they go with their segments."""

    dependencies = [("delivery", "0003_doors")]

    operations = [
        migrations.RemoveConstraint("segmentcut", "segment_cut_once"),
        migrations.AlterField("segmentcut", "window_until", models.DateTimeField(null=True)),
        migrations.AddField("segmentcut", "part_mark", models.CharField(default="", max_length=64), False),
        migrations.RunSQL("UPDATE delivery_segmentcut SET part_mark = id::text", migrations.RunSQL.noop),
        migrations.AddConstraint(
            "segmentcut", models.UniqueConstraint(fields=("segment", "part_mark"), name="segment_part_cut_once")
        ),
    ]
