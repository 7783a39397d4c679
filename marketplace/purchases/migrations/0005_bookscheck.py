from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("purchases", "0004_ended_and_disputed")]

    operations = [
        migrations.CreateModel(
            name="BooksCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("transfer_count", models.BigIntegerField()),
                ("finding_count", models.PositiveSmallIntegerField()),
                ("findings", models.JSONField(default=list)),
            ],
            options={
                "verbose_name": "check of the books",
                "verbose_name_plural": "checks of the books",
                "ordering": ["-at", "-id"],
            },
        ),
    ]
