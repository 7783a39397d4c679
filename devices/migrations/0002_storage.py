from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_initial")]

    operations = [
        # The bytes are compressed already: PostgreSQL should not try again on every insert.
        migrations.RunSQL(
            "ALTER TABLE devices_batch ALTER COLUMN envelope SET STORAGE EXTERNAL",
            "ALTER TABLE devices_batch ALTER COLUMN envelope SET STORAGE EXTENDED",
        )
    ]
