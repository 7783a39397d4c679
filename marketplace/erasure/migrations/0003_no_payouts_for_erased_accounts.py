"""An erased account gets no payee and no payout either."""

from django.db import migrations

OWNED = ("wallet_payee", "wallet_payout")
CREATE = "".join(
    f"CREATE TRIGGER erased_account_gets_no_row BEFORE INSERT ON {table}"
    " FOR EACH ROW EXECUTE FUNCTION erasure_refuse_row('user_id');\n"
    for table in OWNED
)
UNDO = "".join(f"DROP TRIGGER erased_account_gets_no_row ON {table};\n" for table in OWNED)


class Migration(migrations.Migration):
    dependencies = [("erasure", "0002_erased_accounts_stay_erased"), ("wallet", "0007_payouts")]

    operations = [migrations.RunSQL(CREATE, UNDO)]
