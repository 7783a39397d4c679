"""What was asked for before an erasure and arrives after it is refused by the database, whoever forgot to ask.

A row that a person makes holds off the erasure of the account until it is committed; once the account is erased there
are no such rows any more, and the account itself does not change.
"""

from django.db import migrations

# SQLSTATE AC001: the account was erased.
OWNED = {
    "account_emailaddress": "user_id",
    "accounts_apikey": "user_id",
    "consents_consent": "owner_id",
    "devices_device": "owner_id",
    "listings_listing": "seller_id",
    "mfa_authenticator": "user_id",
    "purchases_purchase": "buyer_id",
    "wallet_topup": "user_id",
}

CREATE = """
CREATE FUNCTION erasure_refuse_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    -- The column that names the person is the trigger's argument.
    person bigint := (to_jsonb(NEW) ->> TG_ARGV[0])::bigint;
BEGIN
    PERFORM FROM accounts_user WHERE id = person AND erased_at IS NULL FOR SHARE;
    IF NOT FOUND AND EXISTS (SELECT FROM accounts_user WHERE id = person) THEN
        RAISE EXCEPTION 'The account was erased.' USING ERRCODE = 'AC001';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION erasure_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'The account was erased.' USING ERRCODE = 'AC001';
END $$;
CREATE TRIGGER erased_account_stays_erased BEFORE UPDATE ON accounts_user
    FOR EACH ROW WHEN (OLD.erased_at IS NOT NULL) EXECUTE FUNCTION erasure_refuse_change();
""" + "".join(
    f"CREATE TRIGGER erased_account_gets_no_row BEFORE INSERT ON {table}"
    f" FOR EACH ROW EXECUTE FUNCTION erasure_refuse_row('{column}');\n"
    for table, column in OWNED.items()
)

UNDO = """
DROP FUNCTION erasure_refuse_row() CASCADE;
DROP FUNCTION erasure_refuse_change() CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("erasure", "0001_initial"),
        ("account", "0001_initial"),
        ("accounts", "0002_user_erased_at"),
        ("consents", "0001_initial"),
        ("devices", "0001_initial"),
        ("listings", "0001_initial"),
        ("mfa", "0001_initial"),
        ("purchases", "0001_initial"),
        ("wallet", "0001_initial"),
    ]

    operations = [migrations.RunSQL(CREATE, UNDO)]
