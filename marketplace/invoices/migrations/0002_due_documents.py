import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q

TRIGGERS = """
    CREATE FUNCTION invoices_note_due() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_TABLE_NAME = 'purchases_purchase' THEN
            INSERT INTO invoices_duedocument (purchase_id) VALUES (NEW.id);
        ELSE
            INSERT INTO invoices_duedocument (refund_id) VALUES (NEW.id);
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_due AFTER INSERT ON purchases_purchase
        FOR EACH ROW WHEN (NEW.price_micros > 0) EXECUTE FUNCTION invoices_note_due();
    ALTER TABLE purchases_purchase ENABLE ALWAYS TRIGGER note_due;
    CREATE TRIGGER note_due AFTER INSERT ON purchases_refund FOR EACH ROW EXECUTE FUNCTION invoices_note_due();
    ALTER TABLE purchases_refund ENABLE ALWAYS TRIGGER note_due;
    INSERT INTO invoices_duedocument (purchase_id)
        SELECT id FROM purchases_purchase p WHERE price_micros > 0
            AND NOT EXISTS (SELECT FROM invoices_invoice i WHERE i.purchase_id = p.id AND i.series = 'invoice');
    INSERT INTO invoices_duedocument (refund_id)
        SELECT id FROM purchases_refund r WHERE NOT EXISTS (SELECT FROM invoices_invoice i WHERE i.refund_id = r.id);
"""
UNDO = """
    DROP TRIGGER note_due ON purchases_purchase;
    DROP TRIGGER note_due ON purchases_refund;
    DROP FUNCTION invoices_note_due();
"""


class Migration(migrations.Migration):
    dependencies = [("invoices", "0001_initial"), ("purchases", "0008_refund_after_narrowing")]

    operations = [
        migrations.CreateModel(
            name="DueDocument",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "purchase",
                    models.OneToOneField(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="purchases.purchase",
                    ),
                ),
                (
                    "refund",
                    models.OneToOneField(
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="purchases.refund",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(("purchase__isnull", False), ("refund", None))
                        | Q(("purchase", None), ("refund__isnull", False)),
                        name="due_document_is_for_one",
                    )
                ]
            },
        ),
        migrations.RunSQL(TRIGGERS, UNDO),
    ]
