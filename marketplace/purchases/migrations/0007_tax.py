"""The tax inside each price. What was sold before held none."""

from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):
    dependencies = [("purchases", "0006_plans")]

    operations = [
        migrations.AddField("purchase", "tax_micros", models.BigIntegerField(default=0)),
        migrations.AddField("purchase", "tax_basis_points", models.PositiveIntegerField(default=0)),
        migrations.AddField(
            "purchase",
            "tax_treatment",
            models.CharField(
                choices=[
                    ("domestic", "domestic"),
                    ("one_stop_shop", "one_stop_shop"),
                    ("reverse_charge", "reverse_charge"),
                    ("outside_eu", "outside_eu"),
                    ("not_charged", "not_charged"),
                ],
                default="not_charged",
                max_length=16,
            ),
        ),
        migrations.AddField("purchase", "tax_country", models.CharField(blank=True, max_length=2)),
        migrations.RemoveConstraint("purchase", "purchase_parts_fit"),
        migrations.AddConstraint(
            "purchase",
            models.CheckConstraint(
                condition=Q(fee_micros__gte=0, seller_micros__gte=0, tax_micros__gte=0)
                & Q(price_micros__gte=F("fee_micros") + F("seller_micros") + F("tax_micros")),
                name="purchase_parts_fit",
            ),
        ),
        migrations.AddConstraint(
            "purchase",
            models.CheckConstraint(
                condition=Q(tax_treatment__in=("domestic", "one_stop_shop"), tax_basis_points__gt=0)
                | Q(
                    tax_treatment__in=("reverse_charge", "outside_eu", "not_charged"), tax_basis_points=0, tax_micros=0
                ),
                name="purchase_tax_fits",
            ),
        ),
    ]
