"""What the database refuses: changing or removing what witnesses said, alarms, receipts and visits."""

from django.db import migrations

# One trigger a statement, not a row: a statement that matches no row is refused too.
STAYS = """
CREATE TRIGGER {table}_stays BEFORE {acts} ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_stays;
"""
APPEND_ONLY = [
    "ledger_cosignature",
    "ledger_finalcheckpoint",
    "ledger_alarm",
    "ledger_storedreceipt",
    "ledger_auditvisit",
]
ACTS = {**dict.fromkeys(APPEND_ONLY, "UPDATE OR DELETE OR TRUNCATE"), "ledger_logfreeze": "DELETE OR TRUNCATE"}

FREEZE = """
CREATE FUNCTION ledger_freeze_is_only_lifted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.lifted_at IS NOT NULL
        OR (NEW.id, NEW.code, NEW.sentence, NEW.evidence, NEW.frozen_at)
            IS DISTINCT FROM (OLD.id, OLD.code, OLD.sentence, OLD.evidence, OLD.frozen_at) THEN
        RAISE EXCEPTION 'a freeze can be lifted once and not rewritten' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER freeze_is_only_lifted BEFORE UPDATE ON ledger_logfreeze
    FOR EACH ROW EXECUTE FUNCTION ledger_freeze_is_only_lifted();
ALTER TABLE ledger_logfreeze ENABLE ALWAYS TRIGGER freeze_is_only_lifted;
"""
UNDO_FREEZE = """
DROP TRIGGER freeze_is_only_lifted ON ledger_logfreeze;
DROP FUNCTION ledger_freeze_is_only_lifted;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0003_witnesses_audits_and_receipts")]

    operations = [
        migrations.RunSQL(FREEZE, UNDO_FREEZE),
        *(
            migrations.RunSQL(STAYS.format(table=table, acts=acts), f"DROP TRIGGER {table}_stays ON {table}")
            for table, acts in ACTS.items()
        ),
    ]
