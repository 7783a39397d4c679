"""A release is split in the proportion of the whole price, tax included, so a sale need not remember the fee's rate."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("purchases", "0002_escrow")]

    operations = [
        migrations.RemoveField(model_name="purchase", name="fee_basis_points"),
        migrations.AddField(model_name="purchase", name="released_tax_micros", field=models.BigIntegerField(default=0)),
        migrations.RemoveConstraint(model_name="purchase", name="purchase_money_fits"),
        migrations.AddConstraint(
            model_name="purchase",
            constraint=models.CheckConstraint(
                condition=Q(
                    released_seller_micros__gte=0,
                    released_fee_micros__gte=0,
                    released_tax_micros__gte=0,
                    refunded_micros__gte=0,
                    released_micros__gte=F("released_seller_micros")
                    + F("released_fee_micros")
                    + F("released_tax_micros"),
                    price_micros__gte=F("released_micros") + F("refunded_micros"),
                ),
                name="purchase_money_fits",
            ),
        ),
    ]
