"""Money comes from the payment provider's account alone: no other goes below zero, and no other kind of account exists.

Whoever has the application's role can make accounts and call wallet_post. What he takes from the provider's account is
money that the provider's own statement does not show; from any other account he could take what nobody misses.
"""

from importlib import import_module

from django.db import migrations, models
from django.db.models import Q

_ONE_DOOR = import_module("marketplace.wallet.migrations.0002_one_door")
# In place of the old function: it would otherwise lose the rights of its owner.
_DOOR = ("LANGUAGE plpgsql AS", "LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS")
_OLD = (
    ("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"),
    _DOOR,
)
_PAYERS = (
    "WHERE a.kind = 'wallet' AND added.amount_micros < 0",
    "WHERE a.kind <> 'provider' AND added.amount_micros < 0",
)
# Both postings would else find the one transfer that was made.
_KEYS_ONCE = (
    "    made bigint[];\nBEGIN\n",
    """    made bigint[];
BEGIN
    IF (SELECT count(DISTINCT key) FROM unnest(keys) AS d (key)) < cardinality(keys) THEN
        RAISE EXCEPTION 'Two transfers of one call carry the same key.' USING ERRCODE = 'WA003';
    END IF;
""",
)


def _rewritten(sql: str, *changes: tuple[str, str]) -> str:
    for before, after in changes:
        if before not in sql:
            raise ValueError(f"{before!r} is not in the function that is rewritten.")
        sql = sql.replace(before, after)
    return sql


BEFORE = _rewritten(_ONE_DOOR.BALANCE_FUNCTIONS + _ONE_DOOR.POST_FUNCTION, *_OLD)
AFTER = _rewritten(BEFORE, _PAYERS, _KEYS_ONCE)


class Migration(migrations.Migration):
    dependencies = [("wallet", "0003_the_door_has_its_owners_rights")]

    operations = [
        migrations.RemoveConstraint(model_name="account", name="wallet_is_never_below_zero"),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=Q(kind="provider") | Q(rolled_micros__gte=0), name="only_the_provider_owes"
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=Q(kind__in=["wallet", "market_fee", "rounding", "provider"]), name="account_kind_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=Q(kind__in=["top_up", "purchase"]), name="transfer_kind_is_known"
            ),
        ),
        migrations.RunSQL(AFTER, BEFORE),
    ]
