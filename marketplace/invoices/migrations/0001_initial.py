import uuid

import django.db.models.deletion
import django.db.models.expressions
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER invoice_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_invoice
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
ALTER TABLE invoices_invoice ENABLE ALWAYS TRIGGER invoice_is_append_only;
CREATE TRIGGER invoice_line_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON invoices_invoiceline
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
ALTER TABLE invoices_invoiceline ENABLE ALWAYS TRIGGER invoice_line_is_append_only;
"""


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("purchases", "0007_tax"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Invoice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "series",
                    models.CharField(
                        choices=[("invoice", "Invoice"), ("credit_note", "Credit note"), ("settlement", "Settlement")],
                        max_length=16,
                    ),
                ),
                ("year", models.PositiveSmallIntegerField()),
                ("number", models.PositiveIntegerField()),
                ("issued_at", models.DateTimeField()),
                ("supplied_at", models.DateTimeField()),
                ("period_from", models.DateTimeField(null=True)),
                ("currency", models.CharField(max_length=3)),
                ("net_micros", models.BigIntegerField()),
                ("tax_micros", models.BigIntegerField()),
                ("fee_micros", models.BigIntegerField(default=0)),
                ("total_micros", models.BigIntegerField()),
                ("tax_basis_points", models.PositiveIntegerField(default=0)),
                ("tax_treatment", models.CharField(max_length=16)),
                ("tax_country", models.CharField(blank=True, max_length=2)),
                ("evidence", models.JSONField(default=list)),
                ("issuer_name", models.CharField(max_length=200)),
                ("issuer_address", models.CharField(max_length=400)),
                ("issuer_country", models.CharField(max_length=2)),
                ("issuer_vat_id", models.CharField(blank=True, max_length=20)),
                ("recipient_name", models.CharField(blank=True, max_length=120)),
                ("recipient_address", models.CharField(blank=True, max_length=400)),
                ("recipient_country", models.CharField(blank=True, max_length=2)),
                ("recipient_vat_id", models.CharField(blank=True, max_length=20)),
                (
                    "corrects",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credit_notes",
                        to="invoices.invoice",
                    ),
                ),
                (
                    "purchase",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invoices",
                        to="purchases.purchase",
                    ),
                ),
                (
                    "recipient",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invoices",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "refund",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credit_note",
                        to="purchases.refund",
                    ),
                ),
            ],
            options={
                "ordering": ["-issued_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="InvoiceLine",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("position", models.PositiveIntegerField()),
                ("text", models.CharField(max_length=400)),
                ("net_micros", models.BigIntegerField()),
                ("tax_micros", models.BigIntegerField()),
                ("fee_micros", models.BigIntegerField(default=0)),
                ("total_micros", models.BigIntegerField()),
                (
                    "invoice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="invoices.invoice"
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
            },
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(fields=("series", "year", "number"), name="invoice_number_once"),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("series", "invoice")), fields=("purchase",), name="invoice_once_a_purchase"
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("series", "settlement")),
                fields=("recipient", "period_from"),
                name="settlement_once_a_month",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("corrects", None),
                        ("period_from", None),
                        ("purchase__isnull", False),
                        ("refund", None),
                        ("series", "invoice"),
                    ),
                    models.Q(
                        ("corrects__isnull", False),
                        ("purchase__isnull", False),
                        ("refund__isnull", False),
                        ("series", "credit_note"),
                    ),
                    models.Q(
                        ("corrects", None),
                        ("period_from__isnull", False),
                        ("purchase", None),
                        ("refund", None),
                        ("series", "settlement"),
                    ),
                    _connector="OR",
                ),
                name="invoice_refers_by_series",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("series", "settlement"),
                        (
                            "total_micros",
                            django.db.models.expressions.CombinedExpression(
                                models.F("net_micros"), "-", models.F("fee_micros")
                            ),
                        ),
                    ),
                    models.Q(
                        models.Q(("series", "settlement"), _negated=True),
                        ("fee_micros", 0),
                        (
                            "total_micros",
                            django.db.models.expressions.CombinedExpression(
                                models.F("net_micros"), "+", models.F("tax_micros")
                            ),
                        ),
                    ),
                    _connector="OR",
                ),
                name="invoice_sums_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoice",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fee_micros__gte", 0),
                    ("net_micros__gte", 0),
                    ("number__gt", 0),
                    ("tax_micros__gte", 0),
                    ("total_micros__gte", 0),
                ),
                name="invoice_amounts_fit",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.UniqueConstraint(fields=("invoice", "position"), name="invoice_line_once"),
        ),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER invoice_is_append_only ON invoices_invoice;"
            "DROP TRIGGER invoice_line_is_append_only ON invoices_invoiceline;",
        ),
    ]
