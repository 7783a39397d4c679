from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("ledger", "0005_the_head_counts_its_entries")]

    operations = [
        migrations.AddIndex(
            model_name="checkpoint",
            index=models.Index(fields=["signed_at", "size"], name="checkpoint_by_time"),
        ),
    ]
