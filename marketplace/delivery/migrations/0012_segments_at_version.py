from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ("delivery", "0011_parts_of_days"),
    ]

    operations = [
        AddIndexConcurrently(
            model_name="segment",
            index=models.Index(fields=["table", "removed_version"], name="segment_at_version"),
        ),
    ]
