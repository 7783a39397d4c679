import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("delivery", "0009_evidence_files"),
        ("listings", "0003_plan_kinds"),
    ]

    operations = [
        migrations.CreateModel(
            name="SegmentBatch",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("version", models.BigIntegerField()),
                ("added", models.BinaryField()),
                ("removed", models.BinaryField()),
                ("recorded_at", models.DateTimeField(db_index=True)),
                ("entry_id", models.UUIDField(unique=True)),
                (
                    "listing",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="segment_batches",
                        to="listings.listing",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="segment",
            name="batch",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="segments",
                to="delivery.segmentbatch",
            ),
        ),
        migrations.AddField(
            model_name="segment",
            name="removal_batch",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="removed_segments",
                to="delivery.segmentbatch",
            ),
        ),
        migrations.AddIndex(
            model_name="segment",
            index=models.Index(
                condition=models.Q(
                    ("batch", None),
                    models.Q(("removal_batch", None), ("removed_version__isnull", False)),
                    _connector="OR",
                ),
                fields=["table"],
                name="segment_unrecorded",
            ),
        ),
    ]
