"""The one door that money moves through, and the triggers that keep every other door shut. See wallet/models.py."""

from django.db import migrations

# SQLSTATEs of our own; wallet/services.py turns them into refusals.
# WA001 too little money, WA002 a transfer that does not balance, WA003 a key used again for something else.

BALANCE_FUNCTIONS = """
CREATE FUNCTION wallet_roll_up(chosen bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM wallet_account WHERE id = ANY (chosen) ORDER BY id FOR NO KEY UPDATE;
    WITH taken AS (
        DELETE FROM wallet_balancechange WHERE account_id = ANY (chosen) RETURNING account_id, amount_micros
    ), total AS (
        SELECT account_id, sum(amount_micros) AS micros FROM taken GROUP BY account_id
    )
    UPDATE wallet_account SET rolled_micros = rolled_micros + total.micros FROM total WHERE id = account_id;
END $$;

CREATE FUNCTION wallet_keep_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unbalanced bigint;
    payers bigint[];
    short record;
BEGIN
    SELECT p.transfer_id INTO unbalanced
    FROM wallet_posting p JOIN wallet_account a ON a.id = p.account_id
    WHERE p.transfer_id IN (SELECT transfer_id FROM added)
    GROUP BY p.transfer_id
    HAVING sum(p.amount_micros) <> 0 OR count(DISTINCT a.currency) <> 1
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'The postings of transfer % do not sum to zero in one currency.', unbalanced
            USING ERRCODE = 'WA002';
    END IF;

    SELECT coalesce(array_agg(DISTINCT a.id), '{}') INTO payers
    FROM added JOIN wallet_account a ON a.id = added.account_id
    WHERE a.kind = 'wallet' AND added.amount_micros < 0;

    INSERT INTO wallet_balancechange (account_id, amount_micros)
    SELECT account_id, amount_micros FROM added WHERE account_id <> ALL (payers);
    IF payers = '{}' THEN
        RETURN NULL;
    END IF;

    PERFORM wallet_roll_up(payers);
    -- The new postings are added here, not by way of a waiting change: a payer's change would only be made to be deleted.
    SELECT a.id, -(a.rolled_micros + sum(added.amount_micros)) AS micros INTO short
    FROM added JOIN wallet_account a ON a.id = added.account_id
    WHERE a.id = ANY (payers)
    GROUP BY a.id HAVING a.rolled_micros + sum(added.amount_micros) < 0
    ORDER BY a.id LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Account % lacks % micros.', short.id, short.micros
            USING ERRCODE = 'WA001', DETAIL = short.micros::text;
    END IF;
    UPDATE wallet_account SET rolled_micros = rolled_micros + total.micros
    FROM (SELECT account_id, sum(amount_micros) AS micros FROM added GROUP BY account_id) total
    WHERE id = total.account_id AND id = ANY (payers);
    RETURN NULL;
END $$;
"""

POST_FUNCTION = """
-- Post one transfer or a thousand. keys, kinds, refs and instants hold one element a transfer; ordinals (from 1), accounts
-- and amounts one a posting. Returns the transfers in the order given; one whose key is known is returned as it stands.
-- Keys are taken in their order and wallets in theirs, so that two calls never wait for each other in a circle.
CREATE FUNCTION wallet_post(
    keys uuid[], kinds text[], refs uuid[], instants timestamptz[], ordinals int[], accounts bigint[], amounts bigint[]
) RETURNS SETOF wallet_transfer LANGUAGE plpgsql AS $$
DECLARE
    made bigint[];
BEGIN
    WITH fresh AS (
        INSERT INTO wallet_transfer (public_id, idempotency_key, kind, reference, at)
        SELECT gen_random_uuid(), d.key, d.kind, d.ref, d.at
        FROM unnest(keys, kinds, refs, instants) AS d (key, kind, ref, at) ORDER BY d.key
        ON CONFLICT (idempotency_key) DO NOTHING
        RETURNING id
    )
    SELECT coalesce(array_agg(id), '{}') INTO made FROM fresh;

    INSERT INTO wallet_posting (transfer_id, account_id, amount_micros)
    SELECT t.id, p.account, p.amount
    FROM unnest(ordinals, accounts, amounts) WITH ORDINALITY AS p (ordinal, account, amount, line)
    JOIN wallet_transfer t ON t.idempotency_key = keys[p.ordinal]
    WHERE t.id = ANY (made) ORDER BY p.line;

    IF cardinality(made) < cardinality(keys) AND EXISTS (
        SELECT FROM unnest(keys, kinds, refs) WITH ORDINALITY AS d (key, kind, ref, ordinal)
        JOIN wallet_transfer t ON t.idempotency_key = d.key
        WHERE t.id <> ALL (made) AND (
            t.kind <> d.kind OR t.reference IS DISTINCT FROM d.ref
            OR (SELECT array_agg(ARRAY[s.account_id, s.amount_micros] ORDER BY s.account_id, s.amount_micros)
                FROM wallet_posting s WHERE s.transfer_id = t.id)
            IS DISTINCT FROM
               (SELECT array_agg(ARRAY[p.account, p.amount] ORDER BY p.account, p.amount)
                FROM unnest(ordinals, accounts, amounts) AS p (ordinal, account, amount) WHERE p.ordinal = d.ordinal)
        )
    ) THEN
        RAISE EXCEPTION 'An idempotency key was used before for another transfer.' USING ERRCODE = 'WA003';
    END IF;

    RETURN QUERY
        SELECT t.* FROM unnest(keys) WITH ORDINALITY AS d (key, ordinal)
        JOIN wallet_transfer t ON t.idempotency_key = d.key ORDER BY d.ordinal;
END $$;
"""

TRIGGERS = """
CREATE TRIGGER posting_keeps_balances AFTER INSERT ON wallet_posting
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION wallet_keep_balances();

-- Whoever posts in two statements is refused by the trigger above; this one refuses a transfer that moved nothing.
CREATE FUNCTION wallet_require_postings() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM wallet_posting WHERE transfer_id = NEW.id) THEN
        RAISE EXCEPTION 'Transfer % has no postings.', NEW.id USING ERRCODE = 'WA002';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER transfer_has_postings AFTER INSERT ON wallet_transfer
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wallet_require_postings();

CREATE FUNCTION wallet_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused.', TG_TABLE_NAME, TG_OP USING ERRCODE = 'WA004';
END $$;
CREATE TRIGGER transfer_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER posting_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON wallet_posting
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();

ALTER TABLE wallet_posting ENABLE ALWAYS TRIGGER posting_keeps_balances;
ALTER TABLE wallet_transfer ENABLE ALWAYS TRIGGER transfer_has_postings;
ALTER TABLE wallet_transfer ENABLE ALWAYS TRIGGER transfer_is_append_only;
ALTER TABLE wallet_posting ENABLE ALWAYS TRIGGER posting_is_append_only;
"""

UNDO = """
DROP FUNCTION wallet_post(uuid[], text[], uuid[], timestamptz[], int[], bigint[], bigint[]);
DROP FUNCTION wallet_keep_balances() CASCADE;
DROP FUNCTION wallet_require_postings() CASCADE;
DROP FUNCTION wallet_refuse_change() CASCADE;
DROP FUNCTION wallet_roll_up(bigint[]);
"""


class Migration(migrations.Migration):
    dependencies = [("wallet", "0001_initial")]

    operations = [migrations.RunSQL(BALANCE_FUNCTIONS + POST_FUNCTION + TRIGGERS, UNDO)]
