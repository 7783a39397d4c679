import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0002_narrower_tokens"),
        ("oauth2_provider", "0022_refreshtoken_token_family_index"),
    ]

    operations = [
        migrations.AddField(
            "accesstoken",
            "kind",
            models.CharField(
                choices=[("bearer", "Token"), ("client", "OAuth client")], default="bearer", max_length=16
            ),
        ),
        migrations.AddField(
            "accesstoken",
            "application",
            models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="token",
                to="oauth2_provider.application",
            ),
        ),
        migrations.AddConstraint(
            "accesstoken",
            models.UniqueConstraint(
                condition=models.Q(kind="client", revoked_at=None),
                fields=("purchase",),
                name="token_one_client_per_purchase",
            ),
        ),
        migrations.AddConstraint(
            "accesstoken",
            models.CheckConstraint(
                condition=models.Q(kind="client", application__isnull=False)
                | (~models.Q(kind="client") & models.Q(application=None)),
                name="token_client_has_application",
            ),
        ),
    ]
