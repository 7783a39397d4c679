"""Money moves for a role that may change no balance: the functions of 0002 get the rights of whoever owns the tables.

The search path is pinned, or a caller could lay a table of his own over ours. Who may call them says marketplace/rights.py.
"""

from django.db import migrations

DOORS = [
    "wallet_post(uuid[], text[], uuid[], timestamptz[], int[], bigint[], bigint[])",
    "wallet_roll_up(bigint[])",
    "wallet_keep_balances()",
    "wallet_require_postings()",
]

BEGIN_EMPTY = """
CREATE FUNCTION wallet_begin_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.rolled_micros <> 0 THEN
        RAISE EXCEPTION 'A new account is empty; money comes by a transfer.' USING ERRCODE = 'WA002';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_begins_empty BEFORE INSERT ON wallet_account
    FOR EACH ROW EXECUTE FUNCTION wallet_begin_empty();
ALTER TABLE wallet_account ENABLE ALWAYS TRIGGER account_begins_empty;
"""
UNDO = """
DROP TRIGGER account_begins_empty ON wallet_account;
DROP FUNCTION wallet_begin_empty();
"""


class Migration(migrations.Migration):
    dependencies = [("wallet", "0002_one_door")]

    operations = [
        migrations.RunSQL(BEGIN_EMPTY, UNDO),
        *(
            migrations.RunSQL(
                f"ALTER FUNCTION {door} SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp",
                f"ALTER FUNCTION {door} SECURITY INVOKER RESET search_path",
            )
            for door in DOORS
        ),
    ]
