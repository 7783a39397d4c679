from django.db import migrations, models

STAYS = """
CREATE TRIGGER ledger_witnesskey_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_witnesskey
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE ledger_witnesskey ENABLE ALWAYS TRIGGER ledger_witnesskey_stays;
"""
REMEMBER = """
INSERT INTO ledger_witnesskey (key, named_at)
SELECT DISTINCT ON (key) key, coalesce(asked_at, now()) FROM ledger_witnessmemory WHERE key <> '' ORDER BY key, asked_at;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0007_one_audit_at_a_time")]

    operations = [
        migrations.CreateModel(
            name="WitnessKey",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.TextField(unique=True)),
                ("named_at", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(REMEMBER, migrations.RunSQL.noop),
        migrations.RunSQL(STAYS, "DROP TRIGGER ledger_witnesskey_stays ON ledger_witnesskey"),
        migrations.AddField("auditrun", "cosignature_count", models.BigIntegerField(default=0)),
        migrations.AddField("auditrun", "receipt_count", models.BigIntegerField(default=0)),
    ]
