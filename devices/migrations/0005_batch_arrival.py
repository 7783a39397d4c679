from django.db import migrations, models

ARRIVAL = models.Func(models.Func(function="pg_current_xact_id"), function="devices_arrival")


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0004_batch_plural"),
    ]

    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION devices_arrival(xid8) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
                AS 'SELECT $1::text::bigint + 1099511627776';
            -- Batches of before have all been there for long. The table is not written anew.
            ALTER TABLE devices_batch ADD COLUMN arrival bigint NOT NULL DEFAULT 0;
            ALTER TABLE devices_batch ALTER COLUMN arrival SET DEFAULT devices_arrival(pg_current_xact_id());
            CREATE INDEX batch_arrival ON devices_batch (device_id, arrival);
            """,
            """
            ALTER TABLE devices_batch DROP COLUMN arrival;
            DROP FUNCTION devices_arrival(xid8);
            """,
            state_operations=[
                migrations.AddField(
                    model_name="batch",
                    name="arrival",
                    field=models.BigIntegerField(db_default=ARRIVAL, editable=False),
                ),
                migrations.AddIndex(
                    model_name="batch", index=models.Index(fields=["device", "arrival"], name="batch_arrival")
                ),
            ],
        ),
    ]
