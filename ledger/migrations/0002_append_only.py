"""What the database refuses: changing or removing what the log has signed, and gaps between entries."""

from django.db import migrations

REFUSE = """
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the log only grows', TG_OP, TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
$$;

CREATE FUNCTION ledger_entries_have_no_gap() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    lowest bigint; highest bigint; added bigint; before bigint;
BEGIN
    SELECT min(index), max(index), count(*) INTO lowest, highest, added FROM added_entries;
    IF added = 0 THEN
        RETURN NULL;
    END IF;
    SELECT COALESCE(max(index), -1) INTO before FROM ledger_entry WHERE index < lowest;
    IF lowest <> before + 1 OR highest - lowest + 1 <> added THEN
        RAISE EXCEPTION 'entries % to % leave a gap after %', lowest, highest, before USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION ledger_head_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root_hash <> OLD.root_hash) THEN
        RAISE EXCEPTION 'the head of size % cannot become one of size %', OLD.size, NEW.size USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER entries_have_no_gap AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS added_entries FOR EACH STATEMENT EXECUTE FUNCTION ledger_entries_have_no_gap();
ALTER TABLE ledger_entry ENABLE ALWAYS TRIGGER entries_have_no_gap;
CREATE TRIGGER head_only_grows BEFORE UPDATE ON ledger_loghead
    FOR EACH ROW EXECUTE FUNCTION ledger_head_only_grows();
ALTER TABLE ledger_loghead ENABLE ALWAYS TRIGGER head_only_grows;
CREATE TRIGGER head_stays BEFORE DELETE OR TRUNCATE ON ledger_loghead
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE ledger_loghead ENABLE ALWAYS TRIGGER head_stays;

-- Hashes, and bodies full of them, do not shrink: PostgreSQL should not try to compress them.
ALTER TABLE ledger_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;

-- SHA-256 of nothing is the root of the empty log (RFC 9162, 2.1.1).
INSERT INTO ledger_loghead (id, size, root_hash, note)
VALUES (1, 0, '\\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', '');
"""

UNDO = """
DROP TRIGGER head_stays ON ledger_loghead;
DROP TRIGGER head_only_grows ON ledger_loghead;
DROP TRIGGER entries_have_no_gap ON ledger_entry;
DELETE FROM ledger_loghead;
DROP FUNCTION ledger_entries_have_no_gap, ledger_head_only_grows;
DROP FUNCTION ledger_refuse_change CASCADE;
"""

# One trigger a statement, not a row: a statement that matches no row is refused too.
STAYS = """
CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_stays;
"""
APPEND_ONLY = ["ledger_entry", "ledger_tile", "ledger_checkpoint"]


class Migration(migrations.Migration):
    dependencies = [("ledger", "0001_initial")]

    operations = [
        migrations.RunSQL(REFUSE, UNDO),
        *(
            migrations.RunSQL(STAYS.format(table=table), f"DROP TRIGGER {table}_stays ON {table}")
            for table in APPEND_ONLY
        ),
    ]
