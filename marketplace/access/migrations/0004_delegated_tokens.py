import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("access", "0003_oauth_clients")]

    operations = [
        migrations.AlterField(
            "accesstoken",
            "kind",
            models.CharField(
                choices=[("bearer", "Token"), ("client", "OAuth client"), ("delegated", "Passed on")],
                default="bearer",
                max_length=16,
            ),
        ),
        migrations.AddField(
            "accesstoken",
            "parent",
            models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="delegated",
                to="access.accesstoken",
            ),
        ),
        migrations.AddConstraint(
            "accesstoken",
            models.CheckConstraint(
                condition=models.Q(kind="delegated", parent__isnull=False)
                | (~models.Q(kind="delegated") & models.Q(parent=None)),
                name="token_delegated_has_parent",
            ),
        ),
    ]
