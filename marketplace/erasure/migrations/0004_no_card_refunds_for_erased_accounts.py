"""An erased account takes no money back either."""

from django.db import migrations

CREATE = (
    "CREATE TRIGGER erased_account_gets_no_row BEFORE INSERT ON wallet_cardrefund"
    " FOR EACH ROW EXECUTE FUNCTION erasure_refuse_row('user_id')"
)
UNDO = "DROP TRIGGER erased_account_gets_no_row ON wallet_cardrefund"


class Migration(migrations.Migration):
    dependencies = [("erasure", "0003_no_payouts_for_erased_accounts"), ("wallet", "0010_card_refunds")]

    operations = [migrations.RunSQL(CREATE, UNDO)]
