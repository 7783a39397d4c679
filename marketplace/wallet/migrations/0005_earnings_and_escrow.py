"""What a seller's buyers paid is held until it is earned: each person may have an escrow and a payable account.

Existing wallets stay as they are: what sellers received before is theirs to spend.
"""

from django.db import migrations, models
from django.db.models import Q

OWNED = ("wallet", "payable", "escrow")
KINDS = [*OWNED, "market_fee", "tax", "rounding", "provider"]
TRANSFERS = (
    *("top_up", "purchase", "renewal", "usage", "release", "refund"),
    *("payout", "payout_return", "chargeback", "to_wallet"),
)

# The trigger of 0002 on postings sees every statement at once, a late line of an old transfer too. This one, deferred to
# the commit, sees each new transfer as a whole: it has lines, and they sum to zero.
BALANCED = """
CREATE OR REPLACE FUNCTION wallet_require_postings() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF (SELECT sum(amount_micros) FROM wallet_posting WHERE transfer_id = NEW.id) IS DISTINCT FROM 0 THEN
        RAISE EXCEPTION 'Transfer % has no postings, or they do not sum to zero.', NEW.id USING ERRCODE = 'WA002';
    END IF;
    RETURN NULL;
END $$;
"""
PRESENT = """
CREATE OR REPLACE FUNCTION wallet_require_postings() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM wallet_posting WHERE transfer_id = NEW.id) THEN
        RAISE EXCEPTION 'Transfer % has no postings.', NEW.id USING ERRCODE = 'WA002';
    END IF;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("wallet", "0004_only_the_provider_owes")]

    operations = [
        migrations.AlterField(
            model_name="account",
            name="kind",
            field=models.CharField(
                choices=[
                    ("wallet", "Wallet"),
                    ("payable", "Earnings"),
                    ("escrow", "On hold"),
                    ("market_fee", "Market fee"),
                    ("tax", "Tax"),
                    ("rounding", "Rounding"),
                    ("provider", "Payment provider"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="transfer",
            name="kind",
            field=models.CharField(
                choices=[
                    ("top_up", "Top-up"),
                    ("purchase", "Purchase"),
                    ("renewal", "Renewal"),
                    ("usage", "Usage"),
                    ("release", "Earned"),
                    ("refund", "Refund"),
                    ("payout", "Payout"),
                    ("payout_return", "Returned payout"),
                    ("chargeback", "Chargeback"),
                    ("to_wallet", "Earnings moved to the wallet"),
                ],
                max_length=32,
            ),
        ),
        migrations.RemoveConstraint(model_name="account", name="wallet_one_per_owner"),
        migrations.RemoveConstraint(model_name="account", name="wallet_one_market_account"),
        migrations.RemoveConstraint(model_name="account", name="wallet_owner_fits_kind"),
        migrations.RemoveConstraint(model_name="account", name="account_kind_is_known"),
        migrations.RemoveConstraint(model_name="transfer", name="transfer_kind_is_known"),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(
                condition=Q(kind__in=OWNED),
                fields=("owner", "kind", "currency"),
                name="account_one_per_owner_and_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.UniqueConstraint(
                condition=~Q(kind__in=OWNED), fields=("kind", "currency"), name="wallet_one_market_account"
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=Q(kind__in=OWNED, owner__isnull=False) | (~Q(kind__in=OWNED) & Q(owner__isnull=True)),
                name="wallet_owner_fits_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(condition=Q(kind__in=KINDS), name="account_kind_is_known"),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(condition=Q(kind__in=TRANSFERS), name="transfer_kind_is_known"),
        ),
        migrations.RunSQL(BALANCED, PRESENT),
    ]
