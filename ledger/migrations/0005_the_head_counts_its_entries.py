"""What the database refuses to a head and to tiles that no sequencer made: whoever has the application's role can write
both, and only the signature that the sequencer checks is out of his reach.
"""

from django.db import migrations

HEAD = """
CREATE OR REPLACE FUNCTION ledger_head_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root_hash <> OLD.root_hash) THEN
        RAISE EXCEPTION 'the head of size % cannot become one of size %', OLD.size, NEW.size USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.size > 0 AND NEW.note = '' THEN
        RAISE EXCEPTION 'a head of size % cannot be without a signature', NEW.size USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF NEW.size <> (SELECT COALESCE(max(index) + 1, 0) FROM public.ledger_entry) THEN
        RAISE EXCEPTION 'a head of size % does not count the entries that are stored', NEW.size USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
"""
BEFORE = """
CREATE OR REPLACE FUNCTION ledger_head_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root_hash <> OLD.root_hash) THEN
        RAISE EXCEPTION 'the head of size % cannot become one of size %', OLD.size, NEW.size USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NEW;
END
$$;
"""

# It fires once the whole statement is done, so it sees the head that was moved together with the tiles. A full tile lies
# below the head; a partial one is the head's own right edge: a narrower one was either stored when it was that, or no
# checkpoint ever showed it.
TILES = """
CREATE FUNCTION ledger_tiles_fit_the_head() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unfit record;
BEGIN
    SELECT tile.level, tile.number, tile.width INTO unfit
    FROM added_tiles tile CROSS JOIN LATERAL (SELECT size >> 8 * tile.level AS hashes FROM public.ledger_loghead) head
    WHERE CASE WHEN tile.width = 256 THEN tile.number >= head.hashes >> 8
        ELSE tile.number <> head.hashes >> 8 OR tile.width <> (head.hashes & 255) END
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the tile % of level % with % hashes is not one of the signed log', unfit.number, unfit.level, unfit.width
            USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER tiles_fit_the_head AFTER INSERT ON ledger_tile
    REFERENCING NEW TABLE AS added_tiles FOR EACH STATEMENT EXECUTE FUNCTION ledger_tiles_fit_the_head();
ALTER TABLE ledger_tile ENABLE ALWAYS TRIGGER tiles_fit_the_head;
"""
UNDO_TILES = """
DROP TRIGGER tiles_fit_the_head ON ledger_tile;
DROP FUNCTION ledger_tiles_fit_the_head;
"""


class Migration(migrations.Migration):
    dependencies = [("ledger", "0004_append_only_witness_tables")]

    operations = [migrations.RunSQL(HEAD, BEFORE), migrations.RunSQL(TILES, UNDO_TILES)]
