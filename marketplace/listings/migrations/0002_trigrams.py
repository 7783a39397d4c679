"""Titles are found in spite of typing errors. pg_trgm comes with PostgreSQL and may be added by the database's owner."""

from django.contrib.postgres.operations import TrigramExtension
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("listings", "0001_initial")]

    operations = [
        TrigramExtension(),
        migrations.RunSQL(
            "CREATE INDEX listing_title_trigrams ON listings_listing USING gin (title gin_trgm_ops)",
            "DROP INDEX listing_title_trigrams",
        ),
    ]
