from django.db import migrations

TABLES = ("delivery_readsummary", "delivery_segmentbatch", "delivery_derivation")
GUARDS = "".join(
    f"CREATE TRIGGER proof_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
    " FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();\n"
    f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER proof_is_append_only;\n"
    for table in TABLES
)
# A read is the leaf of a tree whose root is in the log, once its day is summed up.
GUARDS += """
CREATE TRIGGER summed_up_read_stays BEFORE UPDATE OR DELETE ON delivery_read
    FOR EACH ROW WHEN (OLD.summary_id IS NOT NULL) EXECUTE FUNCTION wallet_refuse_change();
ALTER TABLE delivery_read ENABLE ALWAYS TRIGGER summed_up_read_stays;
"""
UNDO = "".join(f"DROP TRIGGER proof_is_append_only ON {table};\n" for table in TABLES)
UNDO += "DROP TRIGGER summed_up_read_stays ON delivery_read;"


class Migration(migrations.Migration):
    dependencies = [("delivery", "0012_segments_at_version"), ("wallet", "0002_one_door")]

    operations = [migrations.RunSQL(GUARDS, UNDO)]
